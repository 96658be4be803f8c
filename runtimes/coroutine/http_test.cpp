// T14 of the tour: a small HTTP GET of JSON, through a session, many at once, from a real server.
#include "testing/json_server.hpp"
#include "testing/on_loop.hpp"

#include <overlap/clients/http_session.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace {

using namespace overlap;

template <event_loop Loop>
class http_test : public on_loop<Loop> {
public:
    void SetUp() override {
        on_loop<Loop>::SetUp();
        if (this->IsSkipped()) return;
        const std::string python = OVERLAP_PYTHON;
        if (!std::filesystem::exists(python)) GTEST_SKIP() << "needs python3 as " << python;
        server_.emplace(python, OVERLAP_JSON_SERVER);
        session_.emplace(this->runtime(), server_->where());
    }

    http_session<coroutine<Loop>>& session() { return *session_; }

    /// Gets n items at once; the server answers none of them before all n are in progress.
    task<std::vector<http_response>> get_at_once(std::size_t n) {
        const std::string query = "?with=" + std::to_string(n);
        co_return co_await this->runtime().gather(
            n, [&](std::size_t i) { return session().get("/item/" + std::to_string(i) + query); });
    }

    void expect_items(const std::vector<http_response>& responses) {
        for (std::size_t i = 0; i < responses.size(); ++i) {
            EXPECT_EQ(responses[i].status, 200) << responses[i].body;
            EXPECT_EQ(responses[i].body, "{\"item\": " + std::to_string(i) + ", \"in_progress\": " +
                                             std::to_string(responses.size()) + "}");
        }
    }

private:
    std::optional<json_server> server_;
    std::optional<http_session<coroutine<Loop>>> session_;
};
TYPED_TEST_SUITE(http_test, real_loops, loop_names);

TYPED_TEST(http_test, T14_many_requests_of_one_session_are_in_progress_at_once) {
    constexpr std::size_t requests = 20;
    this->run([&]() -> task<> {
        this->expect_items(co_await this->get_at_once(requests));
        this->expect_items(co_await this->get_at_once(requests));
        const http_response answer = co_await this->session().get("/connections");
        EXPECT_EQ(answer.body, "{\"connections\": 20}") << "kept alive between requests";
        co_await this->session().close();
    });
}

TYPED_TEST(http_test, one_request_after_another_uses_one_connection) {
    this->run([&]() -> task<> {
        for (int i = 0; i < 5; ++i) {
            const http_response answer = co_await this->session().get("/item/3");
            EXPECT_EQ(answer.body, "{\"item\": 3, \"in_progress\": 1}");
        }
        const http_response answer = co_await this->session().get("/connections");
        EXPECT_EQ(answer.body, "{\"connections\": 1}");
        co_await this->session().close();
    });
}

TYPED_TEST(http_test, no_server_is_an_error) {
    http_session<coroutine<TypeParam>> nobody(this->runtime(),
                                              endpoint(port_of(open_listener(endpoint()))));
    EXPECT_THROW(this->runtime().run(nobody.get("/item/1")), std::system_error);
}

}  // namespace
