#include "holdfast/config.hpp"
#include "holdfast/reload_plan.hpp"
#include "holdfast/report.hpp"
#include "holdfast/tunnel.hpp"
