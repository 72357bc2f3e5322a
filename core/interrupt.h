// Ctrl-C as a question instead of a sudden death: long loops ask where stopping loses nothing.
#pragma once

namespace v2r {

// Installs handlers for SIGINT and SIGTERM that only set a flag; a second signal ends the process at once.
void InstallInterruptHandler();
// True once a signal came.
bool InterruptRequested();
// Throws Interrupted once a signal came.
void PollInterrupt();
// Sets the flag as a signal would (tests), or clears it.
void RequestInterrupt(bool requested);

}  // namespace v2r
