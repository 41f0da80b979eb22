#include "status/json.hpp"
