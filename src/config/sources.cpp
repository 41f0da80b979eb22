#include "config/sources.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string_view>
#include <system_error>

#include "config/document.hpp"
#include "holdfast/hash.hpp"
#include "holdfast/words.hpp"

namespace holdfast::config {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// A pipe, as a shell's <(...) is, has its content when somebody writes it.
constexpr int longest_wait_for_a_writer = 5000;  // ms

/// Beside the file, as sshd_config.d is beside sshd_config.
struct DropIns {
  std::vector<std::string> files;  ///< by name
  Problems unreadable;             ///< of the others
  Problems warnings;
};

/// Hidden files, and those that an editor or dpkg leaves behind, are none.
tl::expected<DropIns, Problems> find_drop_ins(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path{path}.parent_path() / "conf.d";
  DropIns found;
  std::error_code error;
  std::filesystem::directory_iterator entry{folder, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    const std::filesystem::path& file = entry->path();
    if (file.filename().string().starts_with('.')) continue;
    const std::string extension = lower(file.extension().string());
    if (file.extension() == ".yaml") {
      std::error_code unknown;
      const std::filesystem::file_type type = std::filesystem::status(file, unknown).type();
      const bool waits = type == std::filesystem::file_type::fifo || type == std::filesystem::file_type::character;
      if (waits) {
        found.unreadable.push_back({file, 0, 0, "", "can't be read: it is no regular file"});
      } else {
        found.files.push_back(file);
      }
    } else if (extension == ".yml" || extension == ".yaml") {
      found.warnings.push_back({file, 0, 0, "", "is not read: name it .yaml"});
    }
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return tl::unexpected(Problems{{folder, 0, 0, "", "can't be read: " + error.message()}});
  std::sort(found.files.begin(), found.files.end());
  return found;
}

}  // namespace

tl::expected<std::string, Problems> read_text(const std::string& path) {
  const auto problem = [&](const std::string& why) { return tl::unexpected(Problems{{path, 0, 0, "", why}}); };
  const auto unreadable = [&] { return problem("can't be read: " + std::generic_category().message(errno)); };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return unreadable();
  const std::unique_ptr<std::FILE, CloseFile> owner(::fdopen(descriptor, "rb"));
  // One byte more than is allowed, so that parse() says so about a file that is larger.
  std::string text(max_document_bytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    pollfd ready{descriptor, POLLIN, 0};
    if (::poll(&ready, 1, longest_wait_for_a_writer) == 0)
      return problem("can't be read: nobody writes into this pipe");
    const ssize_t got = ::read(descriptor, text.data() + size, text.size() - size);
    if (got < 0) return unreadable();
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

tl::expected<Sources, Problems> read_sources(const std::string& path, const std::vector<Source>& planned) {
  Problems unreadable;
  Sources read;
  const auto take = [&](const std::string& file) {
    const auto plan = std::find_if(planned.begin(), planned.end(), [&](const Source& one) { return one.file == file; });
    auto text = plan != planned.end() ? plan->text : read_text(file);
    if (text)
      read.files.push_back({file, std::move(*text)});
    else
      std::move(text.error().begin(), text.error().end(), std::back_inserter(unreadable));
  };
  take(path);
  auto drop_ins = find_drop_ins(path);
  if (drop_ins) {
    for (const Source& plan : planned) {
      if (plan.file != path) drop_ins->files.push_back(plan.file);
    }
    std::sort(drop_ins->files.begin(), drop_ins->files.end());
    drop_ins->files.erase(std::unique(drop_ins->files.begin(), drop_ins->files.end()), drop_ins->files.end());
    for (const std::string& file : drop_ins->files) take(file);
    std::move(drop_ins->unreadable.begin(), drop_ins->unreadable.end(), std::back_inserter(unreadable));
    read.warnings = std::move(drop_ins->warnings);
  } else {
    std::move(drop_ins.error().begin(), drop_ins.error().end(), std::back_inserter(unreadable));
  }
  if (!unreadable.empty()) return tl::unexpected(std::move(unreadable));
  return read;
}

std::string digest_of(const std::vector<Source>& sources) {
  // Nobody has to be kept from finding two texts of one digest. Where a file ends counts as well.
  constexpr std::string_view end{"\0", 1};
  std::uint64_t digest = fnv1a("");
  for (const Source& source : sources) {
    digest = fnv1a(end, fnv1a(std::filesystem::path{source.file}.filename().string(), digest));
    digest = fnv1a(end, fnv1a(source.text, digest));
  }
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016" PRIx64, digest);
  return text.data();
}

std::string digest_of(const std::string& path) {
  const auto sources = read_sources(path, {});
  return sources ? digest_of(sources->files) : "";
}

}  // namespace holdfast::config
