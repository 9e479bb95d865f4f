// oneDNN held to the instructions that are allowed (base/cpu.h).
#pragma once

namespace quern {

// To be called before each use of oneDNN, from any thread; only the first call does something: oneDNN takes a limit
// only before its first product. Where none is set, its own (ONEDNN_MAX_CPU_ISA) is left alone. Error(kResource) where
// it takes none.
void hold_onednn_to_level();

}  // namespace quern
