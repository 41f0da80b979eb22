#include <cstdio>
#include <exception>

#include "cli/cli.hpp"

int main(int argc, char** argv) {
  try {
    return holdfast::cli::main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "holdfast: internal error: %s\n", error.what());
    return 1;
  }
}
