// SPDX-License-Identifier: Apache-2.0
// A serial NOR flash of 16 MB at its pins, in mode 0: 0x9F identity, 0x05 status, 0x06 and 0x04 write enable and disable,
// 0x03 read, 0x02 program a page, 0x20 erase a sector. Other commands are ignored, and while it programs or erases all but
// 0x05. Bits only fall when they are programmed. Times are far shorter than those of a real one, but not 0.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace custodes {

class Flash {
public:
    static constexpr uint32_t kSize = 1 << 24, kSector = 4096, kPage = 256;
    static constexpr uint32_t kProgramCycles = 8, kEraseCycles = 4;  // of each byte

    // Call once per cycle; returns the level of the pin CIPO.
    bool step(bool select, bool clock, bool data) {
        if (left_) work();
        if (!select) {
            if (selected_) deselect();
            selected_ = clock_ = false;
            return true;
        }
        if (!selected_) {
            selected_ = true;
            bits_ = count_ = 0;
            out_ = 0xff;
        }
        if (clock && !clock_) {
            in_ = uint8_t(in_ << 1 | data);
            if (++bits_ == 8) {
                bits_ = 0;
                take(in_);
                count_++;
            }
        } else if (!clock && clock_) {
            level_ = out_ >> (7 - bits_) & 1;
        }
        clock_ = clock;
        return level_;
    }

    // What is being programmed or erased stays half done.
    void cut_power() {
        left_ = 0;
        write_enabled_ = selected_ = clock_ = false;
    }

    uint8_t read(uint32_t address) const { return uint8_t(~fallen_.get()[address % kSize]); }
    void set(uint32_t address, uint8_t value) { fallen_.get()[address % kSize] = uint8_t(~value); }

private:
    static constexpr uint8_t kIdentity[] = {0xef, 0x40, 0x18};
    static constexpr uint8_t kBusy = 1, kWriteEnabled = 2;
    struct Free {
        void operator()(uint8_t* bytes) const { std::free(bytes); }
    };

    // Bits that have fallen: so an erased flash is what the operating system gives for nothing.
    std::unique_ptr<uint8_t, Free> fallen_{static_cast<uint8_t*>(std::calloc(kSize, 1))};
    bool selected_ = false, clock_ = false, level_ = true, write_enabled_ = false, erases_ = false;
    uint8_t in_ = 0, out_ = 0xff, command_ = 0;
    uint32_t bits_ = 0, count_ = 0, address_ = 0;
    uint32_t left_ = 0, done_ = 0, target_ = 0;  // of what is being programmed or erased: cycles, bytes, address
    std::vector<uint8_t> page_, programmed_;

    // A byte has come in; what goes out during the next is made.
    void take(uint8_t byte) {
        if (count_ == 0) {
            command_ = left_ && byte != 0x05 ? 0 : byte;
            address_ = 0;
            page_.clear();
        } else if (count_ <= 3) {
            address_ = address_ << 8 | byte;
        } else if (const uint32_t at = (count_ - 4) % kPage; at < page_.size()) {
            page_[at] = byte;
        } else if (command_ == 0x02) {
            page_.push_back(byte);
        }
        switch (command_) {
            case 0x03:
                out_ = count_ >= 3 ? read(address_ + count_ - 3) : 0xff;
                break;
            case 0x05:
                out_ = uint8_t((left_ ? kBusy : 0) | (write_enabled_ ? kWriteEnabled : 0));
                break;
            case 0x9f:
                out_ = count_ < sizeof kIdentity ? kIdentity[count_] : 0xff;
                break;
            default:
                out_ = 0xff;
        }
    }

    // Whole commands are carried out when the flash is let go.
    void deselect() {
        if (bits_ || !count_) return;
        if (command_ == 0x06 && count_ == 1) write_enabled_ = true;
        if (command_ == 0x04 && count_ == 1) write_enabled_ = false;
        if (!write_enabled_) return;
        if (command_ == 0x02 && !page_.empty()) begin(false, uint32_t(page_.size()) * kProgramCycles);
        if (command_ == 0x20 && count_ == 4) begin(true, kSector * kEraseCycles);
    }

    void begin(bool erases, uint32_t cycles) {
        erases_ = erases;
        left_ = cycles;
        done_ = 0;
        target_ = address_;
        programmed_ = page_;
    }

    // Byte after byte.
    void work() {
        left_--;
        if (left_ % (erases_ ? kEraseCycles : kProgramCycles)) return;
        uint8_t* fallen = fallen_.get();
        if (erases_) {
            fallen[target_ % kSize / kSector * kSector + done_] = 0;
        } else {
            const uint32_t at = (target_ + done_) % kPage;
            fallen[target_ % kSize / kPage * kPage + at] |= uint8_t(~programmed_[done_]);
        }
        done_++;
        if (!left_) write_enabled_ = false;
    }
};

}  // namespace custodes
