// Log, progress, interrupt and clock.
#include <csignal>
#include <thread>

#include "core/clock.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"
#include "tests/core/helpers.h"

namespace v2r {
namespace {

using testing::HasSubstr;

TEST(LogTest, FilesReceiveUntilRemoved) {
  const TempFolder folder;
  AddLogFile(folder / "log.txt");
  LogInfo("rendered {} frames", 7);
  LogWarn("slow {}", "driver");
  RemoveLogFiles();
  LogInfo("not in the file");
  const std::string text = ReadFile(folder / "log.txt");
  EXPECT_THAT(text, HasSubstr("[info] rendered 7 frames\n"));
  EXPECT_THAT(text, HasSubstr("[warning] slow driver\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("not in the file")));
  folder.Write("file", "");
  EXPECT_THAT(UserErrorOf([&] { AddLogFile(folder / "file/log.txt"); }), HasSubstr("log.txt"));
}

TEST(ProgressTest, ReportsRarelyAndAlwaysTheEnd) {
  std::vector<ProgressEvent> events;
  SetProgressSink([&](const ProgressEvent& event) { events.push_back(event); });
  {
    Progress progress("filming", 100000);
    for (int i = 1; i <= 1000; ++i) progress.Update(i, "loss 1");
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    progress.Update(50000);
  }
  SetProgressSink(nullptr);
  ASSERT_GE(events.size(), 3u);
  EXPECT_LT(events.size(), 20u);
  EXPECT_EQ(events.front().task, "filming");
  EXPECT_EQ(events.front().done, 1);
  EXPECT_EQ(events.front().note, "loss 1");
  const ProgressEvent& middle = events[events.size() - 2];
  EXPECT_EQ(middle.done, 50000);
  EXPECT_FALSE(middle.finished);
  EXPECT_NEAR(middle.eta_seconds, middle.seconds, 1e-9);
  EXPECT_TRUE(events.back().finished);
  EXPECT_EQ(events.back().eta_seconds, 0);
  Progress("silent", 1).Update(1);
}

TEST(ProgressTest, AFailingSinkDoesNotEndTheProgramAtTheEnd) {
  SetProgressSink([](const ProgressEvent& event) {
    if (event.finished) throw UserError("cannot draw");
  });
  EXPECT_NO_THROW(Progress("x", 1).Update(1));
  SetProgressSink(nullptr);
}

TEST(ProgressTest, LinesOnAStderrThatIsNoTerminal) {
  testing::internal::CaptureStderr();
  DrawProgressOnStderr();
  { Progress("filming", 4).Update(4, "note"); }
  SetProgressSink(nullptr);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, testing::MatchesRegex("filming: 4/4 \\(100 %\\), took .* s, note\n"));
}

TEST(InterruptTest, ASignalSetsTheFlag) {
  InstallInterruptHandler();
  EXPECT_FALSE(InterruptRequested());
  EXPECT_NO_THROW(PollInterrupt());
  std::raise(SIGINT);
  EXPECT_TRUE(InterruptRequested());
  EXPECT_THROW(PollInterrupt(), Interrupted);
  RequestInterrupt(false);
  EXPECT_NO_THROW(PollInterrupt());
  RequestInterrupt(true);
  EXPECT_THROW(PollInterrupt(), Interrupted);
  RequestInterrupt(false);
}

TEST(InterruptDeathTest, ASecondSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        InstallInterruptHandler();
        std::raise(SIGTERM);
        std::raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST(ClockTest, TimersAddUp) {
  double seconds = 1.0;
  {
    const ScopedTimer timer(seconds);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_GE(seconds, 1.005);
  Stopwatch watch;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_GE(watch.Seconds(), 0.005);
}

}  // namespace
}  // namespace v2r
