#include "log/log.hpp"
