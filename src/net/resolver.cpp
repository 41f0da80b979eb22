#include "net/resolver.hpp"
