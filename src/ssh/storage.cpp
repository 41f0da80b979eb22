#include "ssh/storage.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "net/owned_descriptor.hpp"
#include "ssh/file.hpp"
#include "ssh/host_key.hpp"
#include "ssh/identity.hpp"
#include "ssh/known_hosts.hpp"

namespace holdfast::ssh {
namespace {

namespace asio = boost::asio;

/// How long a disk may take where there is what it said before.
constexpr std::chrono::seconds patience{1};
constexpr std::chrono::seconds longest_read{10};

/// What a file says that is there and that the disk does not give out, as open(2) and read(2) call it; or what this
/// process is short of.
bool is_of_the_disk(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO || error == ENXIO || error == ENODEV ||
         error == EUCLEAN || error == EBADMSG || error == ETIMEDOUT || error == ESTALE;
}

bool has_line(std::string_view text, const std::string& line) {
  return text.starts_with(line) || text.find("\n" + line) != std::string_view::npos;
}

void append(std::string& text, const std::string& line) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  if (!has_line(text, line)) text += line;
}

/// Half a line would be in the way of every later connection.
void cut_off(int descriptor, off_t bytes) {
  const off_t size = ::lseek(descriptor, 0, SEEK_END);
  if (size >= bytes) static_cast<void>(::ftruncate(descriptor, size - bytes) == 0);
}

/// 0, or errno. One write() of a whole line, so that a crash or another process leaves no half of it.
int append_line(const std::string& path, std::string line, bool after_newline) {
  const net::Descriptor file{::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600)};
  if (!file) return errno;
  if (!after_newline) line.insert(line.begin(), '\n');
  const ssize_t written = ::write(file.get(), line.data(), line.size());
  int error = 0;
  if (written < 0 || ::fsync(file.get()) != 0) {
    error = errno;
  } else if (static_cast<std::size_t>(written) != line.size()) {
    error = ENOSPC;
  }
  if (written > 0 && static_cast<std::size_t>(written) != line.size()) cut_off(file.get(), written);
  return error;
}

}  // namespace

int store_host_key(const std::string& path, const std::string& line) {
  auto known = read_known_hosts(path);
  if (!known) return known.error();
  if (has_line(*known, line)) return 0;
  const auto torn = last_line(*known);
  if (!torn.empty() && line.starts_with(torn)) {
    known->resize(known->size() - torn.size());
    if (::truncate(path.c_str(), static_cast<off_t>(known->size())) != 0) return errno;
  }
  return append_line(path, line, known->empty() || known->back() == '\n');
}

class Storage::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, std::shared_ptr<net::Disk> disk, Say say)
      : executor_(std::move(executor)), disk_(std::move(disk)), say_(std::move(say)) {}

  void read(const TunnelSpec& spec, Handler handler) {
    write(spec.user_known_hosts_file);  // what could not be written so far
    const Key key{spec.user_known_hosts_file, spec.identity_file, spec.certificate_file};
    const auto reader = std::make_shared<Reader>(Reader{std::move(handler), asio::steady_timer{executor_}});
    auto& readers = readers_[key];
    std::erase_if(readers, [](const auto& earlier) { return !earlier->handler; });  // a disk may hang for days
    readers.push_back(reader);
    wait(key, reader, is_known(key) ? patience : longest_read);
    if (!reading_.insert(key).second) return;
    const bool taken = disk_->read([spec, key, weak = weak_from_this()]() -> net::Disk::Then {
      const auto identities = std::make_shared<const Identities>(load_identities(spec));
      return [weak, key, material = Material{read_known_hosts(spec.user_known_hosts_file), identities}] {
        if (const auto self = weak.lock()) self->arrived(key, material);
      };
    });
    if (!taken) reading_.erase(key);  // the timers answer
  }

  void store(const std::string& file, const std::string& line) {
    met_[file].insert(line);
    write(file);
  }

 private:
  struct Key {
    std::string known_hosts;
    std::vector<std::string> identities;
    std::vector<std::string> certificates;

    friend bool operator<(const Key& left, const Key& right) {
      return std::tie(left.known_hosts, left.identities, left.certificates) <
             std::tie(right.known_hosts, right.identities, right.certificates);
    }
  };

  struct Reader {
    Handler handler;
    asio::steady_timer timer;
  };

  bool is_known(const Key& key) const {
    return known_hosts_.count(key.known_hosts) != 0 && identities_.count(key) != 0;
  }

  void wait(const Key& key, const std::shared_ptr<Reader>& reader, std::chrono::seconds limit) {
    reader->timer.expires_after(limit);
    reader->timer.async_wait([weak = weak_from_this(), reader, key](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || !self) return;
      if (self->is_known(key)) return answer(*reader, self->remembered(key));
      answer(*reader, tl::unexpected(Failure{Cause::local_error, "read", key.known_hosts,
                                             "the disk does not answer, neither for the keys"}));
    });
  }

  static void answer(Reader& reader, const tl::expected<Material, Failure>& result) {
    reader.timer.cancel();
    if (const auto handler = std::exchange(reader.handler, nullptr)) handler(result);
  }

  void arrived(const Key& key, const Material& material) {
    reading_.erase(key);
    if (material.known_hosts) {
      known_hosts_[key.known_hosts] = *material.known_hosts;
    } else if (!is_of_the_disk(material.known_hosts.error())) {
      known_hosts_.erase(key.known_hosts);
    }
    if (!is_of_the_disk(material.identities->error)) {
      identities_[key] = material.identities;
    } else {
      identities_.try_emplace(key, material.identities);
    }
    const bool remembers = known_hosts_.count(key.known_hosts) != 0;
    const Material result = remembers ? remembered(key) : Material{material.known_hosts, identities_[key]};
    for (const auto& reader : std::exchange(readers_[key], {})) answer(*reader, result);
  }

  Material remembered(const Key& key) const {
    std::string text = known_hosts_.at(key.known_hosts);
    if (const auto met = met_.find(key.known_hosts); met != met_.end()) {
      for (const std::string& line : met->second) append(text, line);
    }
    return {text, identities_.at(key)};
  }

  // ---- host keys that were met -------------------------------------------------------------------------------------

  void write(const std::string& file) {
    const auto met = met_.find(file);
    if (met == met_.end() || met->second.empty() || !writing_.insert(file).second) return;
    disk_->write(
        file,
        [file, lines = met->second] {
          for (const std::string& line : lines) {
            if (const int error = store_host_key(file, line)) return error;
          }
          return 0;
        },
        [weak = weak_from_this(), file, lines = met->second](int error) {
          if (const auto self = weak.lock()) self->written(file, lines, error);
        });
  }

  void written(const std::string& file, const std::set<std::string>& lines, int error) {
    writing_.erase(file);
    if (error != 0) {
      if (say_ && told_.insert(file).second) {
        say_("a relay's host key can't be stored in " + file + ": " + errno_text(error) +
             "; it is known until this process ends, and will be taken for new by the next one");
      }
      return;
    }
    told_.erase(file);
    // Should the disk hang from now on, what was read before it has to do.
    if (const auto text = known_hosts_.find(file); text != known_hosts_.end()) {
      for (const std::string& line : lines) append(text->second, line);
    }
    for (const std::string& line : lines) met_[file].erase(line);
    write(file);  // those that came meanwhile
  }

  asio::any_io_executor executor_;
  std::shared_ptr<net::Disk> disk_;
  const Say say_;
  std::map<Key, std::vector<std::shared_ptr<Reader>>> readers_;
  std::set<Key> reading_;
  std::map<std::string, std::string> known_hosts_;               ///< as last read, by file
  std::map<Key, std::shared_ptr<const Identities>> identities_;  ///< likewise
  std::map<std::string, std::set<std::string>> met_;             ///< lines that are not in the file yet, by file
  std::set<std::string> writing_;
  std::set<std::string> told_;
};

Storage::Storage(const asio::any_io_executor& executor, std::shared_ptr<net::Disk> disk, Say say)
    : impl_(std::make_shared<Impl>(executor, std::move(disk), std::move(say))) {}

void Storage::read(const TunnelSpec& spec, Handler handler) {
  impl_->read(spec, std::move(handler));
}

void Storage::store(const std::string& known_hosts_file, const std::string& line) {
  if (stores_) impl_->store(known_hosts_file, line);
}

std::shared_ptr<Storage> Storage::unchanged() const {
  return std::shared_ptr<Storage>{new Storage{impl_}};
}

}  // namespace holdfast::ssh
