// An image in memory of its own, laid out as the engine does it: zeros before, between and after.
#pragma once

#include <vector>

#include "../src/view.h"
#include "check.h"

struct Image {
    // batch: of which `lanes` are neighbours. margin: rows and columns of zeros.
    Image(int batch, int channels, int height, int width, int lanes, int margin_y, int margin_x, int vector, std::ptrdiff_t offset)
        : batch(batch) {
        const auto up = [vector](std::ptrdiff_t size) { return (size + vector - 1) / vector * vector; };
        view.images = (batch + lanes - 1) / lanes, view.channels = channels, view.height = height, view.width = width;
        view.lanes = lanes, view.doubt = -1;
        view.row = static_cast<std::ptrdiff_t>(width + margin_x) * lanes;
        view.plane = up((height + margin_y) * view.row);
        view.image = view.plane * channels;
        const std::ptrdiff_t lead = up(margin_y * view.row + static_cast<std::ptrdiff_t>(margin_x) * lanes);
        view.offset = offset + lead;
        end = view.offset + view.images * view.image + lead + 16 * vector;
    }

    std::ptrdiff_t at(int n, int c, int y, int x) const {
        return view.offset + n / view.lanes * view.image + c * view.plane + y * view.row + static_cast<std::ptrdiff_t>(x) * view.lanes + n % view.lanes;
    }

    template <class Call>
    void each(const Call& call) const {
        for (int n = 0; n < batch; ++n)
            for (int c = 0; c < view.channels; ++c)
                for (int y = 0; y < view.height; ++y)
                    for (int x = 0; x < view.width; ++x) call(n, c, y, x);
    }

    void fill(std::vector<float>& memory, Random& random) const {
        each([&](int n, int c, int y, int x) { memory[static_cast<std::size_t>(at(n, c, y, x))] = random.normal(); });
    }

    std::vector<float> values(const std::vector<float>& memory) const {
        std::vector<float> found;
        each([&](int n, int c, int y, int x) { found.push_back(memory[static_cast<std::size_t>(at(n, c, y, x))]); });
        return found;
    }

    // What it was before it, all but the elements: what lies between them must be zero still.
    bool margins_are_zero(std::vector<float> memory, std::ptrdiff_t begin) const {
        const int idle = view.images * view.lanes - batch;  // lanes without a member of the batch may hold anything
        for (int n = 0; n < batch + idle; ++n)
            for (int c = 0; c < view.channels; ++c)
                for (int y = 0; y < view.height; ++y)
                    for (int x = 0; x < view.width; ++x) memory[static_cast<std::size_t>(at(n, c, y, x))] = 0;
        for (std::ptrdiff_t i = begin; i < end; ++i)
            if (memory[static_cast<std::size_t>(i)] != 0) return false;
        return true;
    }

    int batch;
    prunus::View view;
    std::ptrdiff_t end;
};
