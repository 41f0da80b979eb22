#include "ssh/build_id.hpp"

#include <elf.h>
#include <libssh/libssh.h>
#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace holdfast::ssh {
namespace {

struct Search {
  std::uintptr_t address;  ///< in the object that is looked for
  std::string found{};
};

std::size_t padded(std::size_t size, std::size_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

std::string in_hexadecimal(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    text += digits[value / 16];
    text += digits[value % 16];
  }
  return text;
}

/// elf(5), "Notes (Nhdr)".
std::string build_id_in(std::string_view notes, std::size_t alignment) {
  ElfW(Nhdr) note{};
  while (notes.size() >= sizeof note) {
    std::memcpy(&note, notes.data(), sizeof note);
    const std::size_t content = sizeof note + padded(note.n_namesz, alignment);
    if (content + note.n_descsz > notes.size()) break;
    const bool gnu = notes.substr(sizeof note, note.n_namesz) == std::string_view("GNU\0", 4);
    if (gnu && note.n_type == NT_GNU_BUILD_ID) return in_hexadecimal(notes.substr(content, note.n_descsz));
    notes.remove_prefix(std::min(content + padded(note.n_descsz, alignment), notes.size()));
  }
  return {};
}

int look_into(dl_phdr_info* object, std::size_t /*size*/, void* search_pointer) {
  auto& search = *static_cast<Search*>(search_pointer);
  bool holds_it = false;
  std::string build_id;
  for (ElfW(Half) number = 0; number < object->dlpi_phnum; ++number) {
    const ElfW(Phdr)& part = object->dlpi_phdr[number];
    const std::uintptr_t start = object->dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD) {
      holds_it = holds_it || (search.address >= start && search.address - start < part.p_memsz);
    } else if (part.p_type == PT_NOTE && build_id.empty()) {
      // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses as numbers
      build_id = build_id_in({reinterpret_cast<const char*>(start), part.p_memsz}, part.p_align == 8 ? 8 : 4);
    }
  }
  if (!holds_it) return 0;
  search.found = build_id;
  return 1;
}

}  // namespace

std::string libssh_build_id() {
  Search search{reinterpret_cast<std::uintptr_t>(&ssh_version)};
  ::dl_iterate_phdr(look_into, &search);
  return search.found;
}

}  // namespace holdfast::ssh
