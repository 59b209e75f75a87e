// Sum over the threads of a workgroup; every thread must call it. Valid in thread 0.
var<workgroup> shared_sums: array<E, 256>;

fn workgroup_sum(value: E, lane: u32) -> E {
    shared_sums[lane] = value;
    workgroupBarrier();
    for (var width = 128u; width > 0u; width >>= 1u) {
        if (lane < width) {
            shared_sums[lane] = e_add(shared_sums[lane], shared_sums[lane + width]);
        }
        workgroupBarrier();
    }
    let total = shared_sums[0];
    workgroupBarrier();
    return total;
}
