#include "forward/delivery.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

using namespace holdfast;
using namespace holdfast::forward;
using namespace std::chrono_literals;

namespace {

/// A local end that reads when the test wants it to.
struct LocalEnd {
  explicit LocalEnd(Duration longest_stall = 1h) {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    socket.assign(boost::asio::local::stream_protocol(), ends[0]);
    peer = ends[1];
    delivery =
        std::make_shared<Delivery>(context.get_executor(), down, longest_stall, [this](bool all) { over = all; });
  }
  ~LocalEnd() { ::close(peer); }
  LocalEnd(const LocalEnd&) = delete;
  LocalEnd& operator=(const LocalEnd&) = delete;

  void send(std::size_t size) { REQUIRE(down.send(std::vector<std::byte>(size)) == Downstream::Progress::done); }
  void read(std::size_t size) {
    std::vector<std::byte> buffer(size);
    REQUIRE(::recv(peer, buffer.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
  }
  /// So many of its looks.
  void look(int times) {
    for (int n = 0; n < times; ++n) context.run_one_for(1s);
  }

  boost::asio::io_context context;
  Socket socket{context};
  int peer = -1;
  Downstream down{socket};
  std::shared_ptr<Delivery> delivery;
  std::optional<bool> over;
};

}  // namespace

TEST_CASE("what the kernel holds is delivered before a connection is over") {
  LocalEnd end;
  end.send(100);
  end.delivery->finish();
  end.look(3);
  CHECK_FALSE(end.over);
  end.read(100);
  end.look(1);
  CHECK(end.over == true);
}

TEST_CASE("where the kernel holds nothing a connection is over at once") {
  LocalEnd end;
  end.send(100);
  end.read(100);
  end.delivery->finish();
  CHECK(end.over == true);
}

TEST_CASE("a local end that takes nothing more for too long is given up, one that takes some is not") {
  LocalEnd end{50ms};
  end.send(100);
  end.send(100);
  end.delivery->watch_stall();
  end.read(100);
  end.look(1);
  CHECK_FALSE(end.over);
  end.look(1);
  CHECK(end.over == false);
}

TEST_CASE("a delivery that is cancelled says nothing") {
  LocalEnd end{50ms};
  end.send(100);
  end.delivery->watch_stall();
  end.delivery->finish();
  end.delivery->cancel();
  end.context.run();
  CHECK_FALSE(end.over);
}
