#include "holdfast/lease.hpp"

#include <doctest/doctest.h>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

using Asked = std::vector<LeaseAction>;

/// The channel of one session, with the clock in the test's hand; 60 s x 3, two forwards.
struct Channel {
  Turn turn() const { return {spec, now, jitter}; }
  Asked update() { return lease.update(forwards, turn()); }
  Asked lost() { return lease.lost("no shell", turn()); }
  Asked wait() {
    now = lease.due().value();
    return lease.expired(turn());
  }
  Channel& ready() {
    update();
    lease.opened(turn());
    return *this;
  }
  void hold(std::size_t index) { forwards[index].state = ForwardState::held; }

  TunnelSpec spec = leased(2);
  ForwardTable forwards{2};
  LeaseChannel lease{spec.liveness};
  TimePoint now{1h};
  UnitRandom jitter = [] { return 0.5; };
};

}  // namespace

TEST_CASE("the channel is opened once, with a guard as patient as the liveness rule, and given connect_timeout") {
  Channel channel;
  CHECK(channel.update() == Asked{OpenLease{240s}});
  CHECK(channel.lease.due() == channel.now + 30s);
  CHECK_FALSE(channel.lease.ready());
  CHECK(channel.update().empty());
}

TEST_CASE("no channel is opened where none is wanted, or while the relay is to choose a port") {
  Channel unwanted;
  unwanted.spec.lease = false;
  CHECK(unwanted.update().empty());
  CHECK_FALSE(unwanted.lease.due());

  Channel awaiting;
  awaiting.spec.remote_forward[1].port = 0;
  CHECK(awaiting.update().empty());
  awaiting.forwards[1].state = ForwardState::requested;
  CHECK(awaiting.update().empty());
  awaiting.hold(1);
  CHECK(awaiting.update() == Asked{OpenLease{240s}});
}

TEST_CASE("a lease without liveness has no guard and no heartbeats") {
  Channel channel;
  channel.lease = LeaseChannel{{0s, 3}};
  CHECK(channel.update() == Asked{OpenLease{0s}});
  channel.lease.opened(channel.turn());
  CHECK(channel.lease.ready());
  CHECK_FALSE(channel.lease.due());
  CHECK_FALSE(channel.lease.has_just_beaten(channel.now));
}

TEST_CASE("what is held is recorded once by each script that answers") {
  Channel channel;
  channel.hold(0);
  channel.ready();
  CHECK(channel.update() == Asked{RecordLease{0}});
  CHECK(channel.update().empty());
  channel.hold(1);
  CHECK(channel.update() == Asked{RecordLease{1}});
  channel.lost();
  CHECK(channel.update().empty());
  CHECK(channel.wait() == Asked{OpenLease{240s}});
  channel.lease.opened(channel.turn());
  CHECK(channel.update() == Asked{RecordLease{0}, RecordLease{1}});
}

TEST_CASE("a heartbeat goes out when it is due, and stands for the probe for half an interval") {
  Channel channel;
  channel.ready();
  const TimePoint opened = channel.now;
  channel.now = opened + 59s;
  CHECK(channel.lease.expired(channel.turn()).empty());
  CHECK_FALSE(channel.lease.has_just_beaten(channel.now));
  CHECK(channel.wait() == Asked{SendHeartbeat{}});
  CHECK(channel.now == opened + 60s);
  CHECK(channel.lease.due() == opened + 120s);
  channel.now += 29s;
  CHECK(channel.lease.has_just_beaten(channel.now));
  channel.now += 1s;
  CHECK_FALSE(channel.lease.has_just_beaten(channel.now));
}

TEST_CASE("a script that never answers is given up for this session") {
  Channel channel;
  channel.update();
  const Asked asked = channel.wait();
  CHECK(asked == Asked{EndLease{}, Happened{LeaseUnavailable{"its script does not answer"}}});
  CHECK(channel.lease.is_lost());
  CHECK_FALSE(channel.lease.due());
}

TEST_CASE("a script that had answered is tried again, ever more rarely, one that had not is not") {
  Channel channel;
  channel.ready();
  CHECK(channel.lost() == Asked{Happened{LeaseUnavailable{"no shell after 0.0 s of silence", 10s}}});
  CHECK(channel.lease.expired(channel.turn()).empty());
  for (const auto wait : {10s, 20s, 40s, 80s, 160s, 320s, 600s, 600s}) {
    CHECK(channel.lease.is_lost());
    CHECK(channel.lease.problem() == "no shell after 0.0 s of silence");
    CHECK(channel.lease.due() == channel.now + wait);
    CHECK(channel.wait() == Asked{OpenLease{240s}});
    CHECK_FALSE(channel.lease.is_lost());
    CHECK(channel.lease.problem().empty());
    channel.lease.opened(channel.turn());
    channel.lost();
  }
  channel.wait();
  CHECK(channel.lost() == Asked{Happened{LeaseUnavailable{"no shell"}}});
  CHECK_FALSE(channel.lease.due());
}

TEST_CASE("a channel that is closed twice after the same silence is opened at once, and beats before that") {
  Channel channel;
  channel.ready();
  channel.wait();  // a heartbeat at 60 s
  channel.now += 20s;
  channel.lost();
  CHECK_FALSE(channel.lease.timeout());
  CHECK(channel.lease.due() == channel.now + 10s);
  channel.wait();
  channel.lease.opened(channel.turn());
  channel.now += 21s;
  const Asked asked = channel.lost();
  CHECK(channel.lease.timeout() == 21s);
  CHECK(channel.lease.due() == channel.now);
  REQUIRE(asked.size() == 1);
  CHECK(asked == Asked{Happened{LeaseUnavailable{
                     "no shell after 21 s of silence again: ChannelTimeout in the relay's sshd_config, most likely; "
                     "set server_alive_interval below it, or let a heartbeat every 10 s do",
                     0s}}});

  CHECK(channel.wait() == Asked{OpenLease{240s}});  // no less patient with us
  channel.lease.opened(channel.turn());
  CHECK(channel.lease.due() == channel.now + 10s);
  CHECK(channel.wait() == Asked{SendHeartbeat{}});
  CHECK(channel.lease.has_just_beaten(channel.now));
}

TEST_CASE("silences that differ, or that no heartbeat can come before, do not change how often it beats") {
  Channel channel;
  channel.ready();
  for (const auto silence : {20s, 40s, 1s, 1s}) {
    channel.now += silence;
    channel.lost();
    CHECK_FALSE(channel.lease.timeout());
    CHECK(channel.lease.liveness() == channel.spec.liveness);
    channel.now = channel.lease.due().value();
    channel.lease.expired(channel.turn());
    channel.lease.opened(channel.turn());
  }

  Channel silent;
  silent.lease = LeaseChannel{{0s, 3}};
  silent.ready();
  for (const auto wait : {10s, 20s}) {
    silent.now += 20s;
    silent.lost();
    CHECK(silent.lease.due() == silent.now + wait);
    silent.wait();
    silent.lease.opened(silent.turn());
  }
  CHECK(silent.lease.timeout() == 20s);
}

TEST_CASE("when the session ends only the heartbeats go on") {
  Channel beating;
  beating.ready().lease.open_no_more();
  CHECK(beating.wait() == Asked{SendHeartbeat{}});

  Channel opening;
  opening.update();
  opening.lease.open_no_more();
  CHECK_FALSE(opening.lease.due());

  Channel lost;
  lost.ready().lost();
  lost.lease.open_no_more();
  CHECK_FALSE(lost.lease.due());
}
