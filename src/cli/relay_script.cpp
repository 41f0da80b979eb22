#include <iostream>

#include "cli/commands.hpp"
#include "relay/script.hpp"

namespace holdfast::cli {

int relay_script() {
  std::cout << relay::script();
  return done;
}

}  // namespace holdfast::cli
