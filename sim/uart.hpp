// SPDX-License-Identifier: Apache-2.0
// The host's end of a UART at the pins of a verilated device: 8 data bits, no parity, 1 stop bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace custodes {

// Call `step` once per clock of the device. A bit may be any number of clocks, fractions too, and different at both ends:
// then what is received is as much garbage as on a real line, and is received all the same.
class Uart {
public:
    // Clocks per bit from the next byte on, in either direction.
    void set_bit(double cycles) { bit_ = cycles < 1 ? 1 : cycles; }

    void send(uint8_t byte) { to_send_.push_back(byte); }
    // Bytes that are not on the line as a whole yet.
    size_t unsent() const { return to_send_.size() + (sending_ ? 1 : 0); }

    bool received() const { return !received_.empty(); }
    uint8_t take() {
        const uint8_t byte = received_.front();
        received_.pop_front();
        return byte;
    }

    // Forget what is on its way; the line rests.
    void reset() {
        to_send_.clear();
        received_.clear();
        sending_ = receiving_ = false;
        line_ = last_ = true;
    }

    // A clock: `tx` is what the device drives; returns what it gets at `rx`.
    bool step(bool tx) {
        transmit();
        receive(tx);
        return line_;
    }

private:
    static constexpr int kDataBits = 8, kFrameBits = kDataBits + 2;

    void transmit() {
        if (!sending_) {
            if (to_send_.empty()) return;
            sending_ = true;
            send_bit_ = bit_;
            sent_ = 0;
            shifter_ = to_send_.front() << 1 | 1 << (kFrameBits - 1);
            to_send_.pop_front();
        }
        const int at = static_cast<int>(sent_ / send_bit_);
        if (at >= kFrameBits) {
            line_ = true;
            sending_ = false;
            return transmit();
        }
        line_ = shifter_ >> at & 1;
        sent_ += 1;
    }

    // A start bit that is over by its middle was noise. A stop bit of 0 is not minded: the byte is what it is.
    void receive(bool tx) {
        if (!receiving_) {
            if (last_ && !tx) {
                receiving_ = true;
                wait_ = bit_ / 2;
                place_ = -1;
                byte_ = 0;
            }
        } else if ((wait_ -= 1) < 1) {
            wait_ += bit_;
            if (place_ < 0) {
                receiving_ = !tx;
            } else if (place_ < kDataBits) {
                byte_ |= tx << place_;
            } else {
                received_.push_back(byte_);
                receiving_ = false;
            }
            place_++;
        }
        last_ = tx;
    }

    double bit_ = 1, send_bit_ = 1, sent_ = 0, wait_ = 0;
    std::deque<uint8_t> to_send_, received_;
    unsigned shifter_ = 0;
    uint8_t byte_ = 0;
    int place_ = 0;
    bool sending_ = false, receiving_ = false, line_ = true, last_ = true;
};

}  // namespace custodes
