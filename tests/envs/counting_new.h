// Counts what this program allocates with operator new, on all threads.
#pragma once

namespace v2r {

long AllocationCount();

}  // namespace v2r
