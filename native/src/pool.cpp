#include "pool.h"

#include <algorithm>
#include <stdexcept>

#include "pieces.h"

namespace prunus {

Pool::Pool(const Isa& isa, const PoolShape& shape, const View& in, const View& out)
    : isa_(isa), shape_(shape), in_(in), out_(out) {
    const bool alike = in.images == out.images && in.channels == out.channels && in.lanes == out.lanes;
    if (!alike || (in.lanes != 1 && in.lanes != isa.width))
        throw std::invalid_argument("input and output of a pool must be laid out alike");
}

void Pool::run(Bases bases, Threads& threads) const {
    const int planes = in_.images * in_.channels, items = std::min(planes, 4 * threads.count());
    threads.run(items, [&](int item) {
        for (int plane = piece_begin(planes, items, item); plane < piece_begin(planes, items, item + 1); ++plane) {
            const int image = plane / in_.channels, channel = plane % in_.channels;
            const PoolPlane where{bases[0] + in_.offset + image * in_.image + channel * in_.plane,
                                  bases[0] + out_.offset + image * out_.image + channel * out_.plane,
                                  in_.row, out_.row, in_.height, in_.width, out_.height, out_.width, in_.lanes, in_.plane};
            isa_.pool(shape_, where);
        }
    });
}

}  // namespace prunus
