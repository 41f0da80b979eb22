#include "ssh/channel.hpp"
