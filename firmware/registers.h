// SPDX-License-Identifier: Apache-2.0
// Written from the register maps by `make registers`.
#ifndef CUSTODES_REGISTERS_H
#define CUSTODES_REGISTERS_H

// What a control CPU has besides its device's map.
// write: The next of the 16 big-endian words of a block. The CPU waits until it is taken.
#define REG_SHA_WORD 0x20000000u
// write: While not busy.
#define REG_SHA_COMMAND 0x20000040u
#define REG_SHA_COMMAND_FIRST_SHIFT 0u
#define REG_SHA_COMMAND_FIRST_MASK 0x00000001u
#define REG_SHA_COMMAND_CLEAR_SHIFT 1u
#define REG_SHA_COMMAND_CLEAR_MASK 0x00000002u
// read: The engine.
#define REG_SHA_STATUS 0x20000044u
#define REG_SHA_STATUS_BUSY_SHIFT 0u
#define REG_SHA_STATUS_BUSY_MASK 0x00000001u
// read: The hash value, as 8 big-endian words; while not busy.
#define REG_SHA_STATE 0x20000060u
#define REG_SHA_STATE_COUNT 8u
// read: Random numbers.
#define REG_RANDOM_STATUS 0x20000080u
#define REG_RANDOM_STATUS_VALID_SHIFT 0u
#define REG_RANDOM_STATUS_VALID_MASK 0x00000001u
#define REG_RANDOM_STATUS_ALARM_SHIFT 1u
#define REG_RANDOM_STATUS_ALARM_MASK 0x00000002u
// read: A word of the DRBG; reading takes it, and gives 0 where there is none.
#define REG_RANDOM 0x20000084u
// read: The device secret. Each word reads once in a boot, then 0.
#define REG_SECRET 0x200000a0u
#define REG_SECRET_COUNT 8u
// write: Any write: the device secret reads 0 from now on.
#define REG_SECRET_LOCK 0x200000c0u
// read, write: The lifecycle. Writing asks for a state; ignored where there is no such transition.
#define REG_STATE 0x200000c4u
#define REG_STATE_STATE_SHIFT 0u
#define REG_STATE_STATE_MASK 0x0000003fu
// write: Any write: raises the alarm FIRMWARE.
#define REG_RAISE 0x200000c8u
// write: 0x57444f47: firmware is well, for WATCHDOG_CYCLES more.
#define REG_WATCHDOG 0x200000ccu
// read: Control clocks since reset: lower word, which holds the upper until it is read, then upper.
#define REG_TIME 0x200000d0u
#define REG_TIME_COUNT 2u
// read: What the datapath has that not every datapath has.
#define REG_FEATURES 0x200000d8u
#define REG_FEATURES_UPLOAD_SHIFT 0u
#define REG_FEATURES_UPLOAD_MASK 0x00000001u
// read: The host's request.
#define REG_MAILBOX_PENDING 0x200000e0u
#define REG_MAILBOX_PENDING_LENGTH_SHIFT 0u
#define REG_MAILBOX_PENDING_LENGTH_MASK 0x000007ffu
#define REG_MAILBOX_PENDING_PENDING_SHIFT 31u
#define REG_MAILBOX_PENDING_PENDING_MASK 0x80000000u
// write: Hands the reply to the host.
#define REG_MAILBOX_ANSWER 0x200000e4u
#define REG_MAILBOX_ANSWER_LENGTH_SHIFT 0u
#define REG_MAILBOX_ANSWER_LENGTH_MASK 0x000007ffu
// read, write: Chip select of the flash.
#define REG_SPI_SELECT 0x20000100u
#define REG_SPI_SELECT_SELECT_SHIFT 0u
#define REG_SPI_SELECT_SELECT_MASK 0x00000001u
// read, write: Writing sends a byte, the highest bit first, in mode 0; reading gives what came in meanwhile, once it is through.
#define REG_SPI_DATA 0x20000104u
#define REG_SPI_DATA_BYTE_SHIFT 0u
#define REG_SPI_DATA_BYTE_MASK 0x000000ffu
#define REG_SPI_DATA_BUSY_SHIFT 31u
#define REG_SPI_DATA_BUSY_MASK 0x80000000u
// read: The request.
#define REG_FIRMWARE_REQUEST 0x20001000u
#define REG_FIRMWARE_REQUEST_COUNT 256u
// write: The reply; written in whole words.
#define REG_FIRMWARE_REPLY 0x20001400u
#define REG_FIRMWARE_REPLY_COUNT 256u

// What hosts see, of every device with control, and of a gateway.
// read: Reads CUSP: this is a processor.
#define REG_IDENTITY 0x30000000u
// read: Bytes per beat of the datapath.
#define REG_LANES 0x30000004u
// read: CRC of what host and device must agree on besides registers.
#define REG_VOCABULARY 0x30000008u
// read: How commands went.
#define REG_STATUS 0x3000000cu
#define REG_STATUS_BUSY_SHIFT 0u
#define REG_STATUS_BUSY_MASK 0x00000001u
#define REG_STATUS_REFUSED_SHIFT 1u
#define REG_STATUS_REFUSED_MASK 0x00000002u
#define REG_STATUS_TAMPERED_SHIFT 2u
#define REG_STATUS_TAMPERED_MASK 0x00000004u
// write: Session key, its first byte the lowest of the first word.
#define REG_KEY 0x30000040u
#define REG_KEY_COUNT 8u
// write: Of extended suites.
#define REG_SALT 0x30000060u
#define REG_SALT_COUNT 3u
// write: Of extended suites.
#define REG_SSCI 0x3000006cu
// write: The next PN of a transmit association, the lowest acceptable of a receive association.
#define REG_PN 0x30000070u
#define REG_PN_COUNT 2u
// write: In ticks of 131072 cycles of the datapath; 0: no end.
#define REG_LIFETIME 0x30000078u
// write: Carries out a command.
#define REG_COMMAND 0x30000080u
#define REG_COMMAND_ASSOCIATION_SHIFT 0u
#define REG_COMMAND_ASSOCIATION_MASK 0x0000003fu
#define REG_COMMAND_RECEIVE_SHIFT 8u
#define REG_COMMAND_RECEIVE_MASK 0x00000100u
#define REG_COMMAND_SUITE_SHIFT 16u
#define REG_COMMAND_SUITE_MASK 0x00030000u
#define REG_COMMAND_ORDER_SHIFT 28u
#define REG_COMMAND_ORDER_MASK 0xf0000000u
// write: The peer's MAC address of a transmit channel, the SCI of a receive channel.
#define REG_ADDRESS 0x30000084u
#define REG_ADDRESS_COUNT 2u
// write: Our SCI in a transmit channel.
#define REG_SCI 0x3000008cu
#define REG_SCI_COUNT 2u
// write: Replay window of a receive channel, in frames.
#define REG_WINDOW 0x30000094u
#define REG_WINDOW_WINDOW_SHIFT 0u
#define REG_WINDOW_WINDOW_MASK 0x001fffffu
// read: Two words per association, those that seal first: as PN, now.
#define REG_PN_STATE 0x30000800u
#define REG_PN_STATE_COUNT 256u
// read: Per association, those that seal first.
#define REG_ASSOCIATION_STATE 0x30000c00u
#define REG_ASSOCIATION_STATE_COUNT 128u
#define REG_ASSOCIATION_STATE_SUITE_SHIFT 0u
#define REG_ASSOCIATION_STATE_SUITE_MASK 0x00000003u
#define REG_ASSOCIATION_STATE_IN_USE_SHIFT 8u
#define REG_ASSOCIATION_STATE_IN_USE_MASK 0x00000100u
// read: Two words per association, those that seal first: octets of secure data encrypted or decrypted.
#define REG_OCTETS 0x30001000u
#define REG_OCTETS_COUNT 256u
// read: Frames: 16 words per association, those that seal first, by what became of them.
#define REG_COUNTERS 0x30002000u
#define REG_COUNTERS_COUNT 2048u
// read: Reads CUSC: the device has a control.
#define REG_CONTROL_IDENTITY 0x30004000u
// read: Frequency of the control clock, in Hz.
#define REG_CLOCK_HZ 0x30004004u
// read: State of the device.
#define REG_LIFECYCLE 0x30004008u
#define REG_LIFECYCLE_STATE_SHIFT 0u
#define REG_LIFECYCLE_STATE_MASK 0x0000003fu
// read: What has gone wrong since the reset.
#define REG_ALARMS 0x3000400cu
#define REG_ALARMS_TAMPER_SHIFT 0u
#define REG_ALARMS_TAMPER_MASK 0x00000001u
#define REG_ALARMS_COMMAND_SHIFT 1u
#define REG_ALARMS_COMMAND_MASK 0x00000002u
#define REG_ALARMS_WATCHDOG_SHIFT 2u
#define REG_ALARMS_WATCHDOG_MASK 0x00000004u
#define REG_ALARMS_INTEGRITY_SHIFT 3u
#define REG_ALARMS_INTEGRITY_MASK 0x00000008u
#define REG_ALARMS_TRAP_SHIFT 4u
#define REG_ALARMS_TRAP_MASK 0x00000010u
#define REG_ALARMS_FIRMWARE_SHIFT 5u
#define REG_ALARMS_FIRMWARE_MASK 0x00000020u
#define REG_ALARMS_NOISE_SHIFT 6u
#define REG_ALARMS_NOISE_MASK 0x00000040u
// read, write: Means nothing: to try the link.
#define REG_SCRATCH 0x30004010u
// write: 0x5a45524f zeroises everything, as the tamper input; else nothing.
#define REG_ZEROISE 0x30004014u
// read, write: Control clocks per bit of the UART. Falls back to the one after reset, which makes 115200 baud, when no good frame has come for 2000 ms.
#define REG_UART_DIVISOR 0x30004018u
#define REG_UART_DIVISOR_CYCLES_SHIFT 0u
#define REG_UART_DIVISOR_CYCLES_MASK 0x0000ffffu
// read: SHA-256 of the device's register map, as canonical JSON without descriptions.
#define REG_MAP_DIGEST 0x30004020u
#define REG_MAP_DIGEST_COUNT 8u
// read: SHA-256 of the design: the recorded Verilog of a bitstream.
#define REG_BUILD_ID 0x30004040u
#define REG_BUILD_ID_COUNT 8u
// read: SHA-256 of the firmware in ROM.
#define REG_ROM_DIGEST 0x30004060u
#define REG_ROM_DIGEST_COUNT 8u
// read: The way to the firmware.
#define REG_MAILBOX_STATUS 0x30004080u
#define REG_MAILBOX_STATUS_STATE_SHIFT 0u
#define REG_MAILBOX_STATUS_STATE_MASK 0x00000003u
#define REG_MAILBOX_STATUS_LENGTH_SHIFT 16u
#define REG_MAILBOX_STATUS_LENGTH_MASK 0x07ff0000u
// write: Hands the request to the firmware; ignored while it is the firmware's turn.
#define REG_MAILBOX_SEND 0x30004084u
#define REG_MAILBOX_SEND_LENGTH_SHIFT 0u
#define REG_MAILBOX_SEND_LENGTH_MASK 0x000007ffu
// read: The TRNG.
#define REG_NOISE_STATUS 0x300040c0u
#define REG_NOISE_STATUS_STATE_SHIFT 0u
#define REG_NOISE_STATUS_STATE_MASK 0x00000003u
#define REG_NOISE_STATUS_RAW_SHIFT 8u
#define REG_NOISE_STATUS_RAW_MASK 0x00000100u
// read: Health tests that failed.
#define REG_NOISE_FAILURES 0x300040c4u
#define REG_NOISE_FAILURES_REPETITION_SHIFT 0u
#define REG_NOISE_FAILURES_REPETITION_MASK 0x0000ffffu
#define REG_NOISE_FAILURES_PROPORTION_SHIFT 16u
#define REG_NOISE_FAILURES_PROPORTION_MASK 0xffff0000u
// read: 32 raw samples, the oldest lowest; reading takes them, and gives 0 where there are none. Consecutive only within a word.
#define REG_NOISE_RAW 0x300040c8u
// write: A message to the firmware, its first byte the lowest of the first word.
#define REG_REQUEST 0x30005000u
#define REG_REQUEST_COUNT 256u
// read: The firmware's answer, likewise.
#define REG_REPLY 0x30005400u
#define REG_REPLY_COUNT 256u
// read: Of the link, told from the receive clock.
#define REG_ACCELERATOR_SPEED 0x30004800u
#define REG_ACCELERATOR_SPEED_SPEED_SHIFT 0u
#define REG_ACCELERATOR_SPEED_SPEED_MASK 0x00000003u
// read, write: Management of the PHY (IEEE 802.3, 22.2.4.5). Writing begins a transaction, unless one is under way.
#define REG_ACCELERATOR_MDIO 0x30004804u
#define REG_ACCELERATOR_MDIO_VALUE_SHIFT 0u
#define REG_ACCELERATOR_MDIO_VALUE_MASK 0x0000ffffu
#define REG_ACCELERATOR_MDIO_REGISTER_SHIFT 16u
#define REG_ACCELERATOR_MDIO_REGISTER_MASK 0x001f0000u
#define REG_ACCELERATOR_MDIO_PHY_SHIFT 21u
#define REG_ACCELERATOR_MDIO_PHY_MASK 0x03e00000u
#define REG_ACCELERATOR_MDIO_WRITE_SHIFT 26u
#define REG_ACCELERATOR_MDIO_WRITE_MASK 0x04000000u
#define REG_ACCELERATOR_MDIO_FAILED_SHIFT 16u
#define REG_ACCELERATOR_MDIO_FAILED_MASK 0x00010000u
#define REG_ACCELERATOR_MDIO_BUSY_SHIFT 17u
#define REG_ACCELERATOR_MDIO_BUSY_MASK 0x00020000u
// read: Frames, by what became of them at the port.
#define REG_ACCELERATOR_EVENTS 0x30004840u
#define REG_ACCELERATOR_EVENTS_COUNT 10u
// read: Of the link, told from the receive clock.
#define REG_NETWORK_SPEED 0x30004880u
#define REG_NETWORK_SPEED_SPEED_SHIFT 0u
#define REG_NETWORK_SPEED_SPEED_MASK 0x00000003u
// read, write: Management of the PHY (IEEE 802.3, 22.2.4.5). Writing begins a transaction, unless one is under way.
#define REG_NETWORK_MDIO 0x30004884u
#define REG_NETWORK_MDIO_VALUE_SHIFT 0u
#define REG_NETWORK_MDIO_VALUE_MASK 0x0000ffffu
#define REG_NETWORK_MDIO_REGISTER_SHIFT 16u
#define REG_NETWORK_MDIO_REGISTER_MASK 0x001f0000u
#define REG_NETWORK_MDIO_PHY_SHIFT 21u
#define REG_NETWORK_MDIO_PHY_MASK 0x03e00000u
#define REG_NETWORK_MDIO_WRITE_SHIFT 26u
#define REG_NETWORK_MDIO_WRITE_MASK 0x04000000u
#define REG_NETWORK_MDIO_FAILED_SHIFT 16u
#define REG_NETWORK_MDIO_FAILED_MASK 0x00010000u
#define REG_NETWORK_MDIO_BUSY_SHIFT 17u
#define REG_NETWORK_MDIO_BUSY_MASK 0x00020000u
// read: Frames, by what became of them at the port.
#define REG_NETWORK_EVENTS 0x300048c0u
#define REG_NETWORK_EVENTS_COUNT 10u
// read: What goes on.
#define REG_UPLOAD_STATE 0x30007000u
#define REG_UPLOAD_STATE_MODE_SHIFT 0u
#define REG_UPLOAD_STATE_MODE_MASK 0x00000003u
#define REG_UPLOAD_STATE_READY_SHIFT 4u
#define REG_UPLOAD_STATE_READY_MASK 0x00000010u
#define REG_UPLOAD_STATE_POWER_SHIFT 5u
#define REG_UPLOAD_STATE_POWER_MASK 0x00000020u
#define REG_UPLOAD_STATE_FAULT_SHIFT 8u
#define REG_UPLOAD_STATE_FAULT_MASK 0x00000f00u
// write: To do.
#define REG_UPLOAD_COMMAND 0x30007004u
#define REG_UPLOAD_COMMAND_ORDER_SHIFT 0u
#define REG_UPLOAD_COMMAND_ORDER_MASK 0x00000003u
// read, write: So many are the weights: lower word, then upper.
#define REG_UPLOAD_BITS 0x30007008u
#define REG_UPLOAD_BITS_COUNT 2u
// read: So many have come: lower word, then upper.
#define REG_UPLOAD_COUNTED 0x30007010u
#define REG_UPLOAD_COUNTED_COUNT 2u
// read, write: Weights may be so long in coming, at first and from frame to frame; 0: for ever.
#define REG_UPLOAD_PAUSE_CYCLES 0x30007018u
// read, write: SHA-256 of the weights, its first byte the lowest of the first word.
#define REG_UPLOAD_DIGEST 0x30007020u
#define REG_UPLOAD_DIGEST_COUNT 8u
// read, write: The server: its first four octets, the first of them the highest of the word, then the others in the upper half of the second word.
#define REG_SERVER_MAC 0x30007040u
#define REG_SERVER_MAC_COUNT 2u
// read, write: Whom weights seem to come from: its first four octets, the first of them the highest of the word, then the others in the upper half of the second word.
#define REG_UPLOAD_MAC 0x30007048u
#define REG_UPLOAD_MAC_COUNT 2u

// Numbers.
#define CONTROL_IDENTITY_VALUE 0x43555343u
#define ZEROISE_VALUE 0x5a45524fu
#define WATCHDOG_FEED_VALUE 0x57444f47u
#define DIGEST_WORDS 8u
#define SECRET_WORDS 8u
#define MAILBOX_WORDS 256u
#define MAILBOX_BYTES 1024u
#define CHANNELS 16u
#define ASSOCIATIONS_PER_CHANNEL 4u
#define ASSOCIATIONS 64u
#define COUNTERS_PER_ASSOCIATION 16u
#define MAX_WINDOW 0x100000u
#define TICK_CYCLES 0x20000u
#define MAX_PIECE_BYTES 512u
#define MAX_ITEM_BYTES 3072u
#define MAX_GOVERNORS 8u
#define CHALLENGE_BYTES 32u
#define KEY_BYTES 32u
#define SIGNATURE_BYTES 64u
#define DIGEST_BYTES 32u
#define ENCAPSULATED_BYTES 32u
#define SEALED_KEY_BYTES 48u
#define LOG_ENTRIES 64u

// Texts.
#define TEXT_IDENTITY_CONTEXT "custodes/identity/v1"
#define TEXT_ACTIVATE "custodes/activate/v1"
#define TEXT_KEY "custodes/key/v1"
#define TEXT_ZEROISE "custodes/zeroise/v1"
#define TEXT_BRICK "custodes/brick/v1"

// State of a device.
#define LIFECYCLE_BOOT 0u
#define LIFECYCLE_BLANK 7u
#define LIFECYCLE_PROVISIONED 25u
#define LIFECYCLE_OPERATIONAL 30u
#define LIFECYCLE_BRICKED 42u
#define LIFECYCLE_TAMPERED 52u

// Why a device is `Lifecycle.TAMPERED`: bits of a register, the number is the bit's.
#define ALARM_TAMPER 0u
#define ALARM_COMMAND 1u
#define ALARM_WATCHDOG 2u
#define ALARM_INTEGRITY 3u
#define ALARM_TRAP 4u
#define ALARM_FIRMWARE 5u
#define ALARM_NOISE 6u

// Whose turn it is.
#define MAILBOX_IDLE 0u
#define MAILBOX_BUSY 1u
#define MAILBOX_DONE 2u

// State of the TRNG.
#define NOISE_STARTUP 0u
#define NOISE_READY 1u
#define NOISE_ALARM 2u

// What the host asks for.
#define REQUEST_INFO 1u
#define REQUEST_IDENTIFY 2u
#define REQUEST_STORE 3u
#define REQUEST_COMMIT 4u
#define REQUEST_DIGEST 5u
#define REQUEST_LOCK 6u
#define REQUEST_ORDER 7u
#define REQUEST_SELFTEST 8u
#define REQUEST_LOG 9u
#define REQUEST_ERASE 10u
#define REQUEST_ANNOUNCE 11u

// How a request went.
#define STATUS_OK 0u
#define STATUS_MALFORMED 1u
#define STATUS_UNKNOWN 2u
#define STATUS_FORBIDDEN 3u
#define STATUS_UNSIGNED 4u
#define STATUS_REPLAYED 5u
#define STATUS_ABSENT 6u
#define STATUS_MISMATCH 7u
#define STATUS_REFUSED 8u
#define STATUS_ERROR_STATE 9u
#define STATUS_NO_RANDOM 10u
#define STATUS_STORE_FAILED 11u
#define STATUS_UNSEALED 12u

// What is provisioned; all of it before `Request.LOCK`.
#define ITEM_IDENTITY 1u
#define ITEM_GOVERNORS 2u
#define ITEM_WHITELIST 3u
#define ITEM_POLICY 4u
#define ITEM_SESSIONS 5u

// Known-answer tests: the number is the bit's.
#define SELF_TEST_ROM 0u
#define SELF_TEST_SHA256 1u
#define SELF_TEST_SHA512 2u
#define SELF_TEST_HKDF 3u
#define SELF_TEST_AES_GCM 4u
#define SELF_TEST_X25519 5u
#define SELF_TEST_ED25519_SIGN 6u
#define SELF_TEST_ED25519_VERIFY 7u
#define SELF_TEST_HPKE 8u
#define SELF_TEST_RANDOM 9u
#define SELF_TEST_FLASH 10u

// What the log tells.
#define EVENT_BOOT 1u
#define EVENT_TEST_FAILED 2u
#define EVENT_STORED 3u
#define EVENT_LOCKED 4u
#define EVENT_ACTIVATED 5u
#define EVENT_KEY_INSTALLED 6u
#define EVENT_ZEROISED 7u
#define EVENT_BRICKED 8u
#define EVENT_REJECTED 9u
#define EVENT_NOISE_ALARM 10u
#define EVENT_ERASED 11u
#define EVENT_ANNOUNCED 12u

// Bits 31 to 28 of `COMMAND`; the lower bits say to what.
#define COMMAND_LOAD 1u
#define COMMAND_ZEROISE 2u
#define COMMAND_CHANNEL 3u
#define COMMAND_SELECT 4u
#define COMMAND_TAMPER 5u

// Where a frame enters a processor.
#define SIDE_ACCELERATOR 0u
#define SIDE_NETWORK 1u

// Cipher suites: 14.5 to 14.8.
#define SUITE_GCM_AES_128 0u
#define SUITE_GCM_AES_256 1u
#define SUITE_GCM_AES_XPN_128 2u
#define SUITE_GCM_AES_XPN_256 3u

// What a gateway does, and with it its server.
#define MODE_OFF 0u
#define MODE_UPLOAD 1u
#define MODE_CHECK 2u
#define MODE_SERVING 3u

#endif
