// SPDX-License-Identifier: Apache-2.0
// What the I/O cells of ECP5 do (Lattice FPGA-TN-02035, high-speed I/O): two bits per cycle, and delay lines.
`timescale 1ps/1ps

// The bit at a rising edge of SCLK and the one at the falling edge after it, both from the next rising edge on.
module IDDRX1F(input SCLK, input RST, input D, output reg Q0, output reg Q1);
    reg rising, falling;
    always @(negedge SCLK) falling <= RST ? 1'b0 : D;
    always @(posedge SCLK) begin
        rising <= D;
        Q0 <= RST ? 1'b0 : rising;
        Q1 <= RST ? 1'b0 : falling;
    end
endmodule

// D0 while SCLK is high, D1 while it is low.
module ODDRX1F(input SCLK, input RST, input D0, input D1, output Q);
    reg high, low;
    always @(posedge SCLK) begin
        high <= RST ? 1'b0 : D0;
        low <= RST ? 1'b0 : D1;
    end
    assign Q = SCLK ? high : low;
endmodule

module DELAYG #(parameter DEL_MODE = "USER_DEFINED", parameter DEL_VALUE = 0)(input A, output reg Z);
    localparam TAP_PS = 25;
    always @(A) Z <= #(DEL_VALUE * TAP_PS) A;
endmodule
