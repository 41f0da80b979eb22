#include "status/client.hpp"
