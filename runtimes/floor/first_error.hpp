// The first thing that went wrong, kept until the rest of the work is done.
#pragma once

#include <overlap/core/error.hpp>

#include <string>
#include <utility>

namespace overlap::floor {

/// One thread. The floors end every connection they can before they report one that failed.
class first_error {
public:
    /// `error` is an errno value, positive. Only the first call counts.
    void keep(int error, std::string what) {
        if (error_ != 0) return;
        error_ = error;
        what_ = std::move(what);
    }

    /// Throws std::system_error if anything was kept.
    void raise() const {
        if (error_ != 0) throw_errno(error_, what_);
    }

private:
    int error_ = 0;
    std::string what_;
};

}  // namespace overlap::floor
