#include "envs/remote/remote_vector_env.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <thread>

#include "core/error.h"
#include "envs/distractor.h"

namespace v2r {
namespace {

constexpr const char* kWhat = "environment state";
constexpr double kConnectSeconds = 5;

WorkerProcess SpawnOwn() {
  // A program that does not know `worker` would start itself again and again.
  if (std::getenv(kWorkerMark) != nullptr) {
    ThrowUser(
        "env.processes: this process is a worker itself; a program other than v2r names the one to "
        "start in V2R_WORKER_PROGRAM");
  }
  const char* program = std::getenv("V2R_WORKER_PROGRAM");
  const bool named = program != nullptr && *program != '\0';
  return SpawnWorker(named ? program : "/proc/self/exe", {"worker", "--fd", "3"});
}

// Of an entry that has one row an environment: rows first, first + 1, ... of `total`.
Blob SomeRows(const Blob& all, int64_t first, int64_t count, int64_t total) {
  const int64_t width = static_cast<int64_t>(all.bytes.size()) / total;
  Blob some;
  some.dtype = all.dtype;
  some.shape = all.shape;
  some.shape[0] = all.shape[0] / total * count;
  some.bytes.assign(all.bytes.begin() + first * width, all.bytes.begin() + (first + count) * width);
  return some;
}

void AppendRows(Blob& all, const Blob& some) {
  if (all.shape.empty()) {
    all = some;
    return;
  }
  all.shape[0] += some.shape[0];
  all.bytes.insert(all.bytes.end(), some.bytes.begin(), some.bytes.end());
}

bool IsRow(const std::string& name) { return name != "name" && name != "seed" && name != "memory"; }

}  // namespace

ShardPlan RemoteVectorEnv::Plan(const EnvOptions& options, int64_t index, int64_t count,
                                const Spawner& spawn) {
  ShardPlan plan;
  const int64_t n = options.num_envs;
  plan.slice = {n * index / count, n};
  plan.count = n * (index + 1) / count - plan.slice.first;
  plan.timeout = options.worker_timeout;
  plan.identity = OwnIdentity();
  EnvOptions own = options;
  own.num_envs = plan.count;
  own.processes = 0;
  own.workers.clear();
  own.worker_token_file.clear();
  if (options.workers.empty()) {
    plan.name = fmt::format("worker process {}", index);
    const int64_t cores = std::max(1u, std::thread::hardware_concurrency());
    for (int64_t* threads : {&own.env_threads, &own.render_threads}) {
      *threads = std::max<int64_t>(1, (*threads > 0 ? *threads : cores) / count);
    }
    plan.source = [spawn, index](int) {
      return spawn ? spawn(static_cast<int>(index)) : SpawnOwn();
    };
  } else {
    plan.name = "worker " + options.workers[index];
    plan.identity.token = WorkerToken(options.worker_token_file);
    std::vector<WorkerAddress> addresses;
    for (const std::string& text : options.workers) addresses.push_back(ParseWorkerAddress(text));
    plan.attempts = std::max<int>(3, static_cast<int>(addresses.size()) + 1);
    // Its own address first, then the others'.
    plan.source = [addresses, index](int attempt) {
      const WorkerAddress& address = addresses[(index + attempt) % addresses.size()];
      return WorkerProcess{ConnectWorker(address, kConnectSeconds), -1, address.IsUnix()};
    };
  }
  plan.options = Dump(own).ToYaml();
  return plan;
}

RemoteVectorEnv::RemoteVectorEnv(const EnvOptions& options, Spawner spawn)
    : tail_(SavedDoubles(options.distractors)), sync_steps_(options.worker_sync) {
  if (options.processes > 0 && !options.workers.empty()) {
    ThrowUser("env.processes={} and env.workers: only one of the two", options.processes);
  }
  const int64_t wanted =
      options.workers.empty() ? options.processes : static_cast<int64_t>(options.workers.size());
  const int64_t count = std::min(wanted, options.num_envs);
  const std::string hash = ModelHash(options);
  for (int64_t i = 0; i < count; ++i) {
    ShardPlan plan = Plan(options, i, count, spawn);
    plan.model_hash = hash;
    shards_.push_back(std::make_unique<Shard>(std::move(plan)));
  }
  spec_ = shards_[0]->spec();
  spec_.num_envs = options.num_envs;
  layout_ = BatchLayout(spec_, spec_.num_envs);
  block_.resize(layout_.size());
}

template <typename Each>
void RemoteVectorEnv::ForAll(Each each) const {
  std::exception_ptr first;
  for (const auto& shard : shards_) {
    try {
      each(*shard);
    } catch (...) {
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
}

// The rows of every worker's batch.
void RemoteVectorEnv::TakeAll() {
  std::vector<Shard::Rows> rows;
  ForAll([&](Shard& shard) {
    shard.Await(Tag::kBatch);
    rows.push_back(shard.TakeRows());
  });
  frames_differ_ = std::any_of(rows.begin(), rows.end(), [](auto& r) { return r.with_frame; });
  for (size_t s = 0; s < shards_.size(); ++s) {
    const ShardPlan& plan = shards_[s]->plan();
    layout_.CopyRows(shards_[s]->layout(), rows[s].block, rows[s].with_frame, 0, block_.data(),
                     frames_differ_, plan.slice.first, plan.count);
  }
}

BatchView RemoteVectorEnv::Reset(uint64_t seed) {
  V2R_CHECK(!waiting_, "Reset between StepAsync and StepWait");
  started_ = false;
  for (auto& shard : shards_) {
    shard->Payload().Put(seed);
    shard->Post(Tag::kReset, Shard::Effect::kReplaces);
  }
  TakeAll();
  steps_ = 0;
  started_ = true;
  return View();
}

void RemoteVectorEnv::StepAsync(std::span<const float> actions) {
  V2R_CHECK(started_, "Reset or LoadState comes before the first step");
  V2R_CHECK(!waiting_, "StepAsync twice without StepWait");
  V2R_CHECK_EQ(static_cast<int64_t>(actions.size()), spec_.num_envs * spec_.act_dim);
  for (size_t k = 0; k < actions.size(); ++k) {
    if (std::isfinite(actions[k])) continue;
    ThrowUser(
        "{}: action {} of env {} is {}: the policy has diverged (lower the learning rate or clip "
        "gradients)",
        spec_.name, k % spec_.act_dim, k / spec_.act_dim, actions[k]);
  }
  waiting_ = true;
  for (auto& shard : shards_) {
    const ShardPlan& plan = shard->plan();
    shard->Payload().PutAll(
        actions.subspan(plan.slice.first * spec_.act_dim, plan.count * spec_.act_dim));
    shard->Post(Tag::kStep, Shard::Effect::kChanges);
  }
}

BatchView RemoteVectorEnv::StepWait() {
  V2R_CHECK(waiting_, "StepWait without StepAsync");
  waiting_ = false;
  started_ = false;  // when a worker throws, the others have stepped
  TakeAll();
  started_ = true;
  if (++steps_ >= sync_steps_) {
    for (auto& shard : shards_) {
      shard->Payload();
      shard->Post(Tag::kSave, Shard::Effect::kNone);
    }
    ForAll([](Shard& shard) {
      shard.Await(Tag::kState);
      shard.Keep();
    });
    steps_ = 0;
  }
  return View();
}

void RemoteVectorEnv::ExpertActions(ExpertSkill skill, Rng& rng, std::span<float> actions) {
  V2R_CHECK(started_ && !waiting_, "ExpertActions needs a state at rest");
  V2R_CHECK_EQ(static_cast<int64_t>(actions.size()), spec_.num_envs * spec_.act_dim);
  for (auto& shard : shards_) {
    ByteWriter out = shard->Payload();
    out.Put(static_cast<uint8_t>(skill));
    PutRng(out, rng);
    shard->Post(Tag::kExpert, Shard::Effect::kChanges);
    shard->Await(Tag::kActions);
    ByteReader in(shard->answer());
    rng = GetRng(in);
    const auto part = in.GetAll<float>();
    V2R_CHECK_EQ(static_cast<int64_t>(part.size()), shard->plan().count * spec_.act_dim);
    std::copy(part.begin(), part.end(),
              actions.begin() + shard->plan().slice.first * spec_.act_dim);
  }
}

void RemoteVectorEnv::TrueDistance(std::span<float> distance) const {
  V2R_CHECK(started_ && !waiting_, "TrueDistance needs a state at rest");
  V2R_CHECK_EQ(static_cast<int64_t>(distance.size()), spec_.num_envs);
  for (auto& shard : shards_) {
    shard->Payload();
    shard->Post(Tag::kDistance, Shard::Effect::kNone);
  }
  ForAll([&](Shard& shard) {
    shard.Await(Tag::kDistance);
    ByteReader in(shard.answer());
    const auto part = in.GetAll<float>();
    V2R_CHECK_EQ(static_cast<int64_t>(part.size()), shard.plan().count);
    std::copy(part.begin(), part.end(), distance.begin() + shard.plan().slice.first);
  });
}

BatchView RemoteVectorEnv::SetState(int64_t i, const StartState& start) {
  V2R_CHECK(started_ && !waiting_, "SetState needs a state at rest: Reset comes first");
  if (i < 0 || i >= spec_.num_envs) ThrowUser("start state: env {} of {}", i, spec_.num_envs);
  Shard& shard = **std::find_if(shards_.begin(), shards_.end(), [&](const auto& s) {
    return i < s->plan().slice.first + s->plan().count;
  });
  const int64_t row = i - shard.plan().slice.first;
  ByteWriter out = shard.Payload();
  out.Put(row);
  PutStart(out, start);
  shard.Post(Tag::kEnter, Shard::Effect::kChanges);
  shard.Await(Tag::kBatch);
  const Shard::Rows rows = shard.TakeRows();
  // The other rows stay what the last step showed.
  layout_.CopyRows(shard.layout(), rows.block, rows.with_frame, row, block_.data(), frames_differ_,
                   i, 1);
  return View();
}

BatchView RemoteVectorEnv::Restart(std::span<const uint8_t> mask) {
  V2R_CHECK(started_ && !waiting_, "Restart needs a state at rest: Reset comes first");
  V2R_CHECK_EQ(static_cast<int64_t>(mask.size()), spec_.num_envs);
  for (auto& shard : shards_) {
    const ShardPlan& plan = shard->plan();
    const auto part = mask.subspan(plan.slice.first, plan.count);
    if (std::find_if(part.begin(), part.end(), [](uint8_t m) { return m != 0; }) == part.end()) {
      continue;
    }
    shard->Payload().PutAll(part);
    shard->Post(Tag::kRestart, Shard::Effect::kChanges);
    shard->Await(Tag::kBatch);
    const Shard::Rows rows = shard->TakeRows();
    for (int64_t row = 0; row < plan.count; ++row) {
      if (!part[row]) continue;
      layout_.CopyRows(shard->layout(), rows.block, rows.with_frame, row, block_.data(),
                       frames_differ_, plan.slice.first + row, 1);
    }
  }
  return View();
}

void RemoteVectorEnv::SaveState(StateDict& state) const {
  V2R_CHECK(started_ && !waiting_, "SaveState needs a state at rest");
  for (auto& shard : shards_) {
    shard->Payload();
    shard->Post(Tag::kSave, Shard::Effect::kNone);
  }
  StateDict all;
  std::vector<double> memory, distractors;
  ForAll([&](Shard& shard) {
    shard.Await(Tag::kState);
    shard.Keep();
    ByteReader in(shard.answer());
    const StateDict part = GetState(in);
    for (const auto& [name, blob] : part) {
      if (IsRow(name)) {
        AppendRows(all[name], blob);
      } else {
        all[name] = blob;
      }
    }
    const auto kept = Require(part, "memory", kWhat).as<double>();
    const size_t own = kept.size() - shard.plan().count * tail_;
    memory.insert(memory.end(), kept.begin(), kept.begin() + own);
    distractors.insert(distractors.end(), kept.begin() + own, kept.end());
  });
  memory.insert(memory.end(), distractors.begin(), distractors.end());
  all["memory"] = Blob::Of<double>(memory);
  for (auto& [name, blob] : all) state[name] = std::move(blob);
}

void RemoteVectorEnv::LoadState(const StateDict& state) {
  V2R_CHECK(!waiting_, "LoadState between StepAsync and StepWait");
  const int64_t n = spec_.num_envs;
  const std::string name = BlobText(Require(state, "name", kWhat));
  if (name != spec_.name) ThrowUser("{} is of {}, this environment is {}", kWhat, name, spec_.name);
  const int64_t stored = Require(state, "episode", kWhat).numel();
  if (stored != n) {
    ThrowUser("{}: is of {} environments, env.num_envs is {}", kWhat, stored, n);
  }
  const auto memory = Require(state, "memory", kWhat).as<double>();
  const int64_t own = static_cast<int64_t>(memory.size()) / n - tail_;
  for (const auto& [key, blob] : state) {
    if (IsRow(key) && (blob.shape.empty() || blob.shape[0] % n != 0)) {
      ThrowUser("{}: {} is not of {} environments", kWhat, key, n);
    }
  }
  if (own < 0 || (own + tail_) * n != static_cast<int64_t>(memory.size())) {
    ThrowUser("{}: memory has {} values: env.distractors has to be that of the saved run", kWhat,
              memory.size());
  }
  started_ = false;
  for (auto& shard : shards_) {
    const auto [first, total] = shard->plan().slice;
    const int64_t count = shard->plan().count;
    StateDict part;
    for (const auto& [key, blob] : state) {
      part[key] = IsRow(key) ? SomeRows(blob, first, count, total) : blob;
    }
    std::vector<double> kept(memory.begin() + first * own, memory.begin() + (first + count) * own);
    const auto moving = memory.begin() + n * own;
    kept.insert(kept.end(), moving + first * tail_, moving + (first + count) * tail_);
    part["memory"] = Blob::Of<double>(kept);
    ByteWriter out = shard->Payload();
    PutState(out, part);
    shard->Post(Tag::kLoad, Shard::Effect::kReplaces);
  }
  ForAll([](Shard& shard) { shard.Await(Tag::kDone); });
  steps_ = 0;
  started_ = true;
}

Metrics RemoteVectorEnv::Timings() const {
  Metrics sum;
  for (const auto& shard : shards_) {
    const Shard::Totals totals = shard->totals();
    sum["time/env"] = std::max(sum["time/env"], totals.env);
    sum["time/render"] = std::max(sum["time/render"], totals.render);
    sum["env/warnings"] += totals.warnings;
    sum["env/worker_restarts"] += static_cast<double>(shard->restarts());
  }
  return sum;
}

}  // namespace v2r
