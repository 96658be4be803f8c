// How a client logs in with a password that it does not send: SCRAM-SHA-256 (RFC 5802, RFC 7677), without
// channel binding. Hashing is OpenSSL's.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace overlap {

/// One login. Throws std::invalid_argument with what is wrong about what the server says.
class scram_client {
public:
    static constexpr int most_rounds = 1'000'000;  ///< PostgreSQL asks for 4,096.

    explicit scram_client(std::string password, const std::string& user = "",
                          std::string nonce = random_nonce())
        : password_(std::move(password)), nonce_(std::move(nonce)),
          bare_("n=" + user + ",r=" + nonce_) {}

    [[nodiscard]] std::string first() const { return "n,," + bare_; }

    /// What to say to the server's first message.
    [[nodiscard]] std::string answer(const std::string& challenge) {
        const std::string_view nonce = attribute(challenge, "r=");
        if (!nonce.starts_with(nonce_) || nonce == nonce_)
            fail("does not go on from what it was told");
        const std::string salt = decoded(attribute(challenge, ",s="));
        const std::string_view number = attribute(challenge, ",i=");
        int rounds = 0;
        std::from_chars(number.data(), number.data() + number.size(), rounds);
        if (rounds < 1 || rounds > most_rounds) fail("asks for too many rounds, or for none");

        digest salted{};
        check(PKCS5_PBKDF2_HMAC(password_.data(), static_cast<int>(password_.size()),
                                reinterpret_cast<const unsigned char*>(salt.data()),
                                static_cast<int>(salt.size()), rounds, EVP_sha256(),
                                static_cast<int>(salted.size()), salted.data()));
        const digest client_key = keyed(salted, "Client Key");
        digest stored_key{};
        SHA256(client_key.data(), client_key.size(), stored_key.data());
        std::string said = "c=biws,r=" + std::string(nonce);  // biws: "n,,".
        const std::string all = bare_ + "," + challenge + "," + said;
        digest proof = keyed(stored_key, all);
        for (std::size_t i = 0; i < proof.size(); ++i) proof[i] ^= client_key[i];
        signature_ = encoded(keyed(keyed(salted, "Server Key"), all));
        return said + ",p=" + encoded(proof);
    }

    /// The server's last message: it has to know the password as well.
    void finish(std::string_view said) const {
        if (signature_.empty() || said != "v=" + signature_) fail("does not know the password");
    }

private:
    using digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

    static void check(int done) {
        if (done != 1) throw std::runtime_error("libcrypto cannot compute SHA-256");
    }
    [[noreturn]] static void fail(const std::string& words) {
        throw std::invalid_argument("the server " + words);
    }

    static digest keyed(const digest& key, std::string_view text) {
        digest made{};
        check(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                   reinterpret_cast<const unsigned char*>(text.data()), text.size(), made.data(),
                   nullptr) != nullptr);
        return made;
    }

    template <class Bytes>
    static std::string encoded(const Bytes& bytes) {
        std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // And a zero at the end.
        text.resize(static_cast<std::size_t>(
            EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                            static_cast<int>(bytes.size()))));
        return text;
    }

    static std::string decoded(std::string_view text) {
        std::string bytes(text.size() / 4 * 3, '\0');
        const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                         reinterpret_cast<const unsigned char*>(text.data()),
                                         static_cast<int>(text.size()));
        const auto padding = std::count(text.begin(), text.end(), '=');
        if (size <= padding || padding > 2) fail("sends a salt that is not in base 64");
        bytes.resize(static_cast<std::size_t>(size - padding));
        return bytes;
    }

    /// Of "r=...,s=...,i=..."; empty if there is none.
    static std::string_view attribute(std::string_view said, std::string_view name) {
        const std::size_t at = said.find(name);
        if (at == std::string_view::npos) return {};
        said.remove_prefix(at + name.size());
        return said.substr(0, said.find(','));
    }

    static std::string random_nonce() {
        std::array<unsigned char, 18> bytes{};
        check(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())));
        return encoded(bytes);
    }

    std::string password_;
    std::string nonce_;
    std::string bare_;
    std::string signature_;  // In base 64, of the server.
};

}  // namespace overlap
