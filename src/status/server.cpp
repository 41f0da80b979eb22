#include "status/server.hpp"
