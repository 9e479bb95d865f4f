// Descriptors are given out from the lowest that is free.
#include "cli/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

namespace quern::cli {

void open_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(descriptor, F_GETFD) == -1) ::open("/dev/null", O_RDONLY);
  std::signal(SIGPIPE, SIG_IGN);  // a reader that leaves decides nothing
}

}  // namespace quern::cli
