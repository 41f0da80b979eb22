#include "forward/connections.hpp"
