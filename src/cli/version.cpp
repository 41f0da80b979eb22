#include "holdfast/version.hpp"

#include <iostream>

#include "cli/commands.hpp"

namespace holdfast::cli {

int version() {
  std::cout << "holdfast " << holdfast::version << '\n';
  return done;
}

}  // namespace holdfast::cli
