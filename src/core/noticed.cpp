#include "holdfast/noticed.hpp"

#include "core/tunnel_words.hpp"

namespace holdfast {

std::vector<Happening> Noticed::listeners(const TunnelSpec& spec, const ForwardTable& forwards,
                                          std::string_view server) {
  std::vector<Happening> news;
  for (std::size_t index = 0; index < listeners_.size(); ++index) {
    const ForwardProgress& forward = forwards[index];
    std::optional<Listener>& known = listeners_[index];
    if (forward.state == ForwardState::held && known != Listener{}) {
      known = Listener{};
      news.emplace_back(ListenerHeld{index, forward.bound_port});
    }
    if (forward.state != ForwardState::refused) continue;
    const Explanation& explanation = forward.explanation.value();
    const Listener listener{explanation.refusal, !explanation.not_evicted.empty()};
    if (known == listener) continue;
    known = listener;
    news.emplace_back(ListenerRefused{index, listen_refused(spec, index, explanation, server)});
  }
  return news;
}

std::vector<ProofChanged> Noticed::proofs(const ForwardTable& forwards, const Proofs& proofs) {
  std::vector<ProofChanged> news;
  for (std::size_t index = 0; index < proofs_.size(); ++index) {
    const auto& proof = proofs.result(index);
    std::optional<ProofResult>& known = proofs_[index];
    if (!proof || known == proof->result) continue;
    news.push_back({index, forwards[index].bound_port, *proof, known && is_bad(*known)});
    known = proof->result;
  }
  return news;
}

}  // namespace holdfast
