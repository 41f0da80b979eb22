#include "ssh/session.hpp"
