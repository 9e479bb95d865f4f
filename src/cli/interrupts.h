// Ctrl-C and the system's wish that the program end.
#pragma once

namespace quern::cli {

// From now on Ctrl-C, SIGTERM and SIGHUP ask the program to stop after the step at hand; a second Ctrl-C or SIGTERM
// ends it at once. Signals that the program was started to ignore (nohup) stay ignored. A file that grows beyond the
// system's limit becomes an error of writing. Call before any other thread starts: they inherit that these signals are
// not for them.
void catch_interrupts();

bool stop_requested();

}  // namespace quern::cli
