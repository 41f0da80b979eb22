#pragma once

#include <map>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

/// Pure: what `holdfast import` reads and writes.
namespace holdfast::migrate {

using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

/// The simple commands of a line, as a POSIX shell splits it at ;, &, && and |: without redirections and comments, each
/// word without its quotes. What only a running shell knows is an error that names it: "$HOST", unless it is one of
/// `known`, a quote without an end.
tl::expected<std::vector<Words>, std::string> shell_commands(std::string_view line, const Variables& known = {});

}  // namespace holdfast::migrate
