// What the shared library shows to the programs that link it: everything else in it is hidden.
#pragma once

#define QUERN_API __attribute__((visibility("default")))
