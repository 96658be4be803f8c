// Runtimes on threads that get one thing wrong each.
#pragma once

#include <overlap/conformance/testing/wrong_runtime.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <mutex>
#include <set>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace overlap::conformance::wrong_runtimes {

/// Forgets what is in a batch that was begun and not filled.
class drops_tasks : public habits {
    void run_task(std::size_t, std::size_t index, bool is_void,
                  const std::function<void()>& task) override {
        if (!is_void || index < 256) task();
    }
};

/// Takes a task for one that has not run.
class runs_a_task_twice : public habits {
    void run_task(std::size_t, std::size_t index, bool is_void,
                  const std::function<void()>& task) override {
        task();
        if (is_void && index == 256) task();
    }
};

/// Returns results in the order in which the batches of 256 ended.
class returns_results_out_of_order : public habits {
    [[nodiscard]] std::size_t place(std::size_t n, std::size_t index) const override {
        return n < 256 ? index : (index + 256) % n;
    }
};

/// Keeps truths in bits that tasks share.
class mixes_up_truths : public habits {
    void spoil_truths(std::vector<bool>& truths) override {
        if (truths.size() > 2) truths[1] = truths[0];
    }
};

class runs_tasks_one_by_one : public habits {
    [[nodiscard]] bool one_by_one() const override { return true; }
};

class understates_its_limit : public habits {
    [[nodiscard]] std::size_t task_limit() const override { return 4; }
};

/// Knows one gather at a time.
class refuses_gathers_inside_tasks : public habits {
    void begin_gather() override {
        if (inside_) throw std::logic_error("gather was called by a task");
    }
    void run_task(std::size_t, std::size_t, bool, const std::function<void()>& task) override {
        inside_ = true;
        task();
        inside_ = false;
    }
    static inline thread_local bool inside_ = false;
};

/// Starts nothing more once a task has failed, of a gather of 200 in which number 7 does.
class gives_up_when_a_task_fails : public habits {
    void run_task(std::size_t n, std::size_t index, bool is_void,
                  const std::function<void()>& task) override {
        if (!is_void || n != 200 || index <= 7) task();
    }
};

/// Throws what was thrown first, or the highest index.
class throws_the_last_failure : public habits {
    void sort_failures(failures& all) override { std::ranges::reverse(all); }
};

class swallows_failures : public habits {
    void sort_failures(failures& all) override { std::ranges::fill(all, nullptr); }
};

/// Keeps the text of an exception and nothing else.
class forgets_the_type_of_failures : public habits {
    void sort_failures(failures& all) override {
        for (auto& each : all) {
            try {
                if (each) std::rethrow_exception(each);
            } catch (const std::exception& failure) {
                each = std::make_exception_ptr(std::runtime_error(failure.what()));
            }
        }
    }
};

/// Does not wait for a straggler.
class ends_gather_too_early : public habits {
    [[nodiscard]] bool deserts_the_last_of(std::size_t n, bool is_void) const override {
        return is_void && n == 5;
    }
    void sleep_until(time_point deadline) override {
        while (deserted) ::pause();  // What it would go on with is about to be destroyed.
        right::sleep_until(deadline);
    }
};

/// Is left in pieces by a failure, once the gather that failed is over with all that are nested in it.
class does_not_survive_a_failure : public habits {
    void begin_gather() override {
        if (open_ == 0 && failed_) throw std::logic_error("the runtime has failed before");
        ++open_;
    }
    void sort_failures(failures& all) override {
        if (std::ranges::any_of(all, [](const auto& each) { return each != nullptr; })) {
            failed_ = true;
        }
        --open_;
    }
    std::atomic<bool> failed_ = false;
    std::atomic<int> open_ = 0;
};

class spoils_the_result_of_run : public habits {
    void spoil_root(std::unique_ptr<int>& value) override { ++*value; }
};

class swallows_exceptions_of_the_root : public habits {
    [[nodiscard]] bool forgives(const std::exception& failure) override {
        return dynamic_cast<const std::out_of_range*>(&failure) != nullptr;
    }
};

class wakes_early : public habits {
    void sleep_until(time_point deadline) override {
        right::sleep_until(deadline - std::chrono::microseconds(500));
    }
};

/// Adds an error to what it reads into the last byte of a cache line.
class garbles_what_it_reads : public habits {
    std::size_t read(int connection, std::span<std::byte> buffer) override {
        const std::size_t size = right::read(connection, buffer);
        if (size == 64) buffer[63] ^= std::byte{1};
        return size;
    }
};

/// Takes a long write for done when its last byte is not sent.
class cuts_long_writes_short : public habits {
    void write(int connection, std::span<const std::byte> bytes) override {
        const bool is_long = (written_ += bytes.size()) > 500'000;
        right::write(connection, is_long ? bytes.first(bytes.size() - 1) : bytes);
    }
    std::atomic<std::size_t> written_ = 0;
};

/// Takes an end before any data for a failure.
class takes_end_of_file_for_an_error : public habits {
    std::size_t read(int connection, std::span<std::byte> buffer) override {
        const std::size_t size = right::read(connection, buffer);
        const std::scoped_lock lock(mutex_);
        if (size == 0 && !used_.contains(connection)) {
            throw std::system_error(ECONNRESET, std::generic_category(), "read");
        }
        used_.insert(connection);
        return size;
    }
    void close(int connection) override {
        const std::scoped_lock lock(mutex_);
        used_.erase(connection);
        right::close(connection);
    }
    std::mutex mutex_;
    std::set<int> used_;
};

class connects_for_reading_only : public habits {
    int connect(const endpoint& peer) override {
        const int connection = right::connect(peer);
        ::shutdown(connection, SHUT_WR);
        return connection;
    }
};

class gives_a_wrong_error_for_refused_connections : public habits {
    int connect(const endpoint& peer) override {
        try {
            return right::connect(peer);
        } catch (const std::system_error&) {
            throw std::system_error(EIO, std::generic_category(), "connect");
        }
    }
};

class hides_errors_of_close : public habits {
    void close(int connection) override { ::close(connection); }
};

/// Goes on writing to a peer that has gone.
class hides_errors_of_write : public habits {
    void write(int connection, std::span<const std::byte> bytes) override {
        try {
            right::write(connection, bytes);
        } catch (const std::system_error& error) {
            if (error.code().value() == EBADF) throw;
        }
    }
};

/// Does not close the socket of a connection that was refused.
class leaks_refused_connections : public habits {
    int connect(const endpoint& peer) override {
        try {
            return right::connect(peer);
        } catch (const std::system_error&) {
            ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            throw;
        }
    }
};

}  // namespace overlap::conformance::wrong_runtimes
