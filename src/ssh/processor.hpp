#pragma once

namespace holdfast::ssh {

/// True if this processor has instructions for AES and for carry-less multiplication, which AES-GCM needs to be fast.
bool processor_has_gcm();

}  // namespace holdfast::ssh
