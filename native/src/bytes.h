// What goes to bytes, from bytes, and from bytes to bytes: views of bytes are of quads of channels.
#pragma once

#include "int8.h"
#include "isa.h"
#include "pool.h"
#include "step.h"
#include "view.h"

namespace prunus {

// Floats to bytes.
class Quantize : public Step {
   public:
    Quantize(const Isa& isa, const View& in, const View& out, const Int8Scale& scale);
    void run(Bases bases, Threads& threads) const override;

   private:
    const Isa& isa_;
    View in_, out_;
    Int8Scale scale_;
};

// Bytes to floats.
class Dequantize : public Step {
   public:
    Dequantize(const Isa& isa, const View& in, const View& out, const Int8Scale& scale);
    void run(Bases bases, Threads& threads) const override;

   private:
    const Isa& isa_;
    View in_, out_;
    Int8Scale scale_;
};

// The sum of two, or one, in another scale.
class AddBytes : public Step {
   public:
    AddBytes(const Isa& isa, const View& left, const View* right, const View& out, const Int8Sum& sum);
    void run(Bases bases, Threads& threads) const override;

   private:
    const Isa& isa_;
    View left_, right_, out_;
    bool has_right_;
    Int8Sum sum_;
};

// The largest byte of every window.
class PoolBytes : public Step {
   public:
    PoolBytes(const PoolShape& shape, const View& in, const View& out);
    void run(Bases bases, Threads& threads) const override;

   private:
    void pool_row(const std::uint8_t* plane, int y, std::uint8_t* out, std::uint8_t* largest) const;

    PoolShape shape_;
    View in_, out_;
};

// The mean of every channel as a float.
class MeanBytes : public Step {
   public:
    MeanBytes(const View& in, const View& out, float scale, std::int32_t zero);
    void run(Bases bases, Threads& threads) const override;

   private:
    View in_, out_;
    float scale_;
    std::int32_t zero_;
};

}  // namespace prunus
