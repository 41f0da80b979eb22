#include "service/service.hpp"
