#include "net/connector.hpp"
