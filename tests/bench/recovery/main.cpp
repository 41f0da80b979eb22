// One measurement is one process with a lab of its own, so that several run at the same time and none spoils another.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <list>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "recovery/options.hpp"
#include "recovery/report.hpp"
#include "support/process.hpp"

namespace holdfast::bench {
namespace {

using lab::Fault;

struct Task {
  const Fault* fault;
  std::string subject;
  unsigned run;
};

struct Worker {
  Task task;
  pid_t pid;
  int pipe;
  std::string answer;
};

Measurement measure(const Task& task, const Options& options) {
  try {
    const auto kind = lab::subject_kind(task.subject, options.holdfast);
    lab::SiteOptions site_options = task.fault->options;
    site_options.seed = task.run + 1;
    lab::Site site(site_options, *kind);
    return {task.fault->run(site, {.full = options.full, .run = task.run})};
  } catch (const std::exception& error) {
    return {{}, error.what()};
  }
}

/// value|- limit error-flag text
std::string to_line(const Measurement& measurement) {
  std::ostringstream line;
  line << (measurement.result.value ? std::to_string(*measurement.result.value) : "-") << ' '
       << measurement.result.limit << ' ' << !measurement.error.empty() << ' '
       << (measurement.error.empty() ? measurement.result.remark : measurement.error);
  return line.str();
}

Measurement from_line(const std::string& text) {
  std::istringstream line(text);
  std::string value;
  Measurement measurement;
  bool failed = false;
  if (!(line >> value >> measurement.result.limit >> failed)) {
    return {{}, "the measurement died"};
  }
  if (value != "-") {
    measurement.result.value = std::stod(value);
  }
  line.get();
  std::string& rest = failed ? measurement.error : measurement.result.remark;
  rest.assign(std::istreambuf_iterator<char>(line), {});
  return measurement;
}

Worker start(const Task& task, const Options& options) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("pipe2");
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    const std::string line = to_line(measure(task, options));
    [[maybe_unused]] const ssize_t written = ::write(ends[1], line.data(), line.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  return {task, pid, ends[0], ""};
}

void announce(const Task& task, const Measurement& measurement, unsigned runs) {
  std::cerr << task.fault->name << " " << task.subject;
  if (runs > 1) {
    std::cerr << " #" << task.run + 1;
  }
  std::cerr << ": " << cell(measurement, task.fault->unit);
  const std::string& more = measurement.error.empty() ? measurement.result.remark : measurement.error;
  std::cerr << (more.empty() ? "" : "  (" + more + ")") << std::endl;
}

/// Takes the tasks from the front; those of `alone` faults come first and run one by one.
class Run {
 public:
  Run(std::list<Task> tasks, const Options& options) : tasks_(std::move(tasks)), options_(options) {}

  Table finish() {
    while (!tasks_.empty() || !workers_.empty()) {
      while (!tasks_.empty() && workers_.size() < (tasks_.front().fault->alone ? 1 : options_.jobs)) {
        workers_.push_back(start(tasks_.front(), options_));
        tasks_.pop_front();
      }
      collect();
    }
    return std::move(table_);
  }

 private:
  void collect() {
    std::vector<pollfd> pipes;
    for (const Worker& worker : workers_) {
      pipes.push_back({worker.pipe, POLLIN, 0});
    }
    ::poll(pipes.data(), pipes.size(), -1);
    std::size_t i = 0;
    for (auto worker = workers_.begin(); worker != workers_.end(); ++i) {
      const bool done = pipes[i].revents != 0 && !read_more(*worker);
      worker = done ? workers_.erase(worker) : std::next(worker);
    }
  }

  /// False when it was all.
  bool read_more(Worker& worker) {
    std::array<char, 4096> chunk{};
    const ssize_t got = ::read(worker.pipe, chunk.data(), chunk.size());
    if (got > 0) {
      worker.answer.append(chunk.data(), static_cast<std::size_t>(got));
      return true;
    }
    ::close(worker.pipe);
    ::waitpid(worker.pid, nullptr, 0);
    const Measurement measurement = from_line(worker.answer);
    announce(worker.task, measurement, options_.runs);
    auto& runs = table_[worker.task.fault->name][worker.task.subject];
    runs.resize(options_.runs);
    runs[worker.task.run] = measurement;
    return false;
  }

  std::list<Task> tasks_;
  const Options& options_;
  std::list<Worker> workers_;
  Table table_;
};

std::vector<Fault> chosen_faults(const Options& options) {
  std::vector<Fault> chosen;
  for (const Fault& fault : lab::all_faults()) {
    const bool named = std::find(options.faults.begin(), options.faults.end(), fault.name) != options.faults.end();
    if (named || (options.faults.empty() && (options.full || !fault.only_full))) {
      chosen.push_back(fault);
    }
  }
  if (!options.faults.empty() && chosen.size() != std::set(options.faults.begin(), options.faults.end()).size()) {
    throw std::invalid_argument("an unknown fault in --faults; --list names them");
  }
  return chosen;
}

/// Interleaved: all subjects of a fault, then the next fault, and then the next run of all.
std::list<Task> tasks_of(const std::vector<Fault>& faults, const Options& options) {
  std::list<Task> tasks;
  for (unsigned run = 0; run < options.runs; ++run) {
    for (const Fault& fault : faults) {
      for (const std::string& subject : options.subjects) {
        tasks.push_back({&fault, subject, run});
      }
    }
  }
  std::list<Task> together;
  for (auto task = tasks.begin(); task != tasks.end();) {
    const auto next = std::next(task);
    if (!task->fault->alone) {
      together.splice(together.end(), tasks, task);
    }
    task = next;
  }
  tasks.splice(tasks.end(), together);
  return tasks;
}

std::string first_line(std::vector<std::string> argv) {
  const test::Finished finished = test::run({.argv = std::move(argv)});
  const std::string text = finished.output + finished.errors;
  return text.substr(0, text.find('\n'));
}

std::map<std::string, std::string> about(const Options& options) {
  utsname system{};
  ::uname(&system);
  const std::time_t now = std::time(nullptr);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), "%F", std::gmtime(&now));
  std::map<std::string, std::string> facts{
      {"date", date.data()},
      {"kernel", system.release},
      {"machine", std::to_string(std::thread::hardware_concurrency()) + " cores, " + system.machine},
      {"ssh", first_line({"ssh", "-V"})}};
  for (const std::string& subject : options.subjects) {
    if (subject == "autossh") {
      facts["autossh"] = first_line({"autossh", "-V"});
    } else if (subject == "holdfast") {
      facts["holdfast"] = first_line({options.holdfast, "--version"});
    }
  }
  return facts;
}

int bench(const Options& options) {
  if (options.help || options.list) {
    std::cout << (options.help ? usage : "");
    for (const Fault& fault : options.list ? lab::all_faults() : std::vector<Fault>{}) {
      std::cout << fault.name << (fault.only_full ? " (--full)" : "") << ": " << fault.what << "\n";
    }
    return 0;
  }
  for (const std::string& subject : options.subjects) {
    if (!lab::subject_kind(subject, "")) {
      throw std::invalid_argument("unknown subject '" + subject + "'; there are ssh, autossh and holdfast");
    }
  }
  const std::vector<Fault> faults = chosen_faults(options);
  if (const auto why = lab::Lab::unavailable()) {
    std::cerr << "bench_recovery: " << *why << "\n";
    return 77;
  }
  const auto facts = about(options);
  const Table table = Run(tasks_of(faults, options), options).finish();
  for (const auto& [key, value] : facts) {
    std::cout << key << ": " << value << "\n";
  }
  print_table(std::cout, table, faults, options.subjects);
  if (!options.json.empty()) {
    std::ofstream file(options.json);
    print_json(file, table, faults, options.subjects, facts);
    if (!file.flush()) {
      throw std::runtime_error("cannot write " + options.json);
    }
  }
  return 0;
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  try {
    return holdfast::bench::bench(
        holdfast::bench::parse_options(std::vector<std::string>(argv + 1, argv + argc), HOLDFAST_BINARY));
  } catch (const std::invalid_argument& error) {
    std::cerr << "bench_recovery: " << error.what() << "\n" << holdfast::bench::usage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "bench_recovery: " << error.what() << "\n";
    return 1;
  }
}
