#include "holdfast/tunnel.hpp"
