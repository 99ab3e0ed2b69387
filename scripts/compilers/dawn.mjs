// Runs plans by Chrome's WebGPU, Dawn, on the Vulkan driver that the environment names, and compares what each dispatch
// writes with what its twin on the CPU left there:
//   node dawn.mjs MODULE FOLDER [--broken]
// MODULE is the package `webgpu`, FOLDER what `srnn-compilers plans` wrote. With --broken one number that is expected of the
// first dispatch is wrong.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [module, folder, broken] = process.argv.slice(2);
const { create, globals } = await import(pathToFileURL(join(module, 'index.js')));
Object.assign(globalThis, globals);

const plans = JSON.parse(readFileSync(join(folder, 'plans.json'), 'utf8'));
const words = readFileSync(join(folder, 'words.bin'));
if (plans.dispatches.length === 0) throw new Error('no dispatches');
if (broken) plans.dispatches.splice(1);

// Whose name keeps it: Dawn falls when it is collected.
const gpu = create(['backend=vulkan']);
const adapter = await gpu.requestAdapter();
if (!adapter) throw new Error('Dawn finds no Vulkan device');
// WebGPU's default limits and no feature: what every browser has.
const device = await adapter.requestDevice();
const problems = [];
device.addEventListener('uncapturederror', ({ error }) => problems.push(`Dawn: ${error.message}`));
device.lost.then(({ reason, message }) => reason === 'destroyed' || problems.push(`the device is lost: ${message}`));

// What is uniform in src/engine/gpu: a dispatch's parameters, with room for every kernel's.
const PARAMETERS = 256;
const { COMPUTE } = GPUShaderStage;
const { COPY_SRC, COPY_DST, MAP_READ, STORAGE, UNIFORM } = GPUBufferUsage;
const layoutOf = (types) =>
    device.createBindGroupLayout({
        entries: types.map((type, binding) => ({
            binding,
            visibility: COMPUTE,
            buffer: { type, hasDynamicOffset: type === 'uniform' },
        })),
    });
const uniform = layoutOf(['uniform']);

// A shader's pipeline and the layout of its storage, as src/engine/gpu makes them.
async function pipelineOf({ kernel, shader, bindings }) {
    const shaderModule = device.createShaderModule({ label: kernel, code: plans.shaders[shader] });
    for (const { type, message, lineNum } of (await shaderModule.getCompilationInfo()).messages) {
        problems.push(`${kernel}: line ${lineNum}: ${type}: ${message}`);
    }
    const storage = layoutOf(bindings.map(({ after }) => (after === null ? 'read-only-storage' : 'storage')));
    const layout = device.createPipelineLayout({ bindGroupLayouts: [storage, uniform] });
    const compute = { module: shaderModule, entryPoint: 'main' };
    return { storage, pipeline: await device.createComputePipelineAsync({ label: kernel, layout, compute }) };
}

const bytesAt = (at, len) => words.subarray(4 * at, 4 * (at + len));
const floats = (bytes) => new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));

function bufferOf(contents, usage, size = contents.byteLength) {
    const buffer = device.createBuffer({ size, usage: usage | COPY_DST });
    device.queue.writeBuffer(buffer, 0, contents);
    return buffer;
}

// Runs one dispatch from given buffers; what it wrote, by binding.
async function run({ workgroups, parameters, bindings }, { pipeline, storage }) {
    // Every binding gets a buffer of just its length, beyond which a shader can reach nothing.
    const buffers = bindings.map(({ before, len }) => bufferOf(bytesAt(before, len), STORAGE | COPY_SRC));
    const own = bufferOf(new Uint32Array(parameters), UNIFORM, PARAMETERS);
    const group = (layout, all) =>
        device.createBindGroup({ layout, entries: all.map((buffer, binding) => ({ binding, resource: { buffer } })) });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group(storage, buffers));
    pass.setBindGroup(1, group(uniform, [own]), [0]);
    pass.dispatchWorkgroups(...workgroups);
    pass.end();
    const results = bindings.map(({ after, len }, at) => {
        if (after === null) return null;
        const result = device.createBuffer({ size: 4 * len, usage: MAP_READ | COPY_DST });
        encoder.copyBufferToBuffer(buffers[at], 0, result, 0, 4 * len);
        return result;
    });
    device.queue.submit([encoder.finish()]);
    const written = [];
    for (const result of results) {
        await result?.mapAsync(GPUMapMode.READ);
        written.push(result && new Float32Array(result.getMappedRange().slice(0)));
    }
    [...buffers, own, ...results].forEach((buffer) => buffer?.destroy());
    return written;
}

// As src/compare.rs: the share of the allowed error that the worst number takes, or what is wrong.
function compare(actual, expected, { absolute, relative }) {
    if (actual.length !== expected.length) return { problem: `${actual.length} numbers where ${expected.length} are expected` };
    let [scale, worst, error] = [0, 0, 0];
    for (let at = 0; at < expected.length; at += 1) {
        if (!Number.isFinite(actual[at]) || !Number.isFinite(expected[at])) {
            return { problem: `element ${at} is ${actual[at]}, expected ${expected[at]}: neither may be NaN or infinite` };
        }
        scale = Math.max(scale, Math.abs(expected[at]));
        const off = Math.abs(actual[at] - expected[at]);
        if (off > error) [worst, error] = [at, off];
    }
    const allowed = absolute + relative * scale;
    if (error <= allowed) return { share: error === 0 ? 0 : error / allowed };
    const numbers = `element ${worst} is ${actual[worst]}, expected ${expected[worst]}`;
    return { problem: `${numbers}: off by ${error.toExponential(3)}, allowed ${allowed.toExponential(3)}` };
}

// All are asked for before the first is waited for, so that they are compiled on all threads.
const pipelines = new Map();
for (const dispatch of plans.dispatches) {
    if (!pipelines.has(dispatch.shader)) pipelines.set(dispatch.shader, pipelineOf(dispatch));
}
await Promise.all(pipelines.values());

const kernels = new Map();
for (const dispatch of plans.dispatches) {
    const { kernel, place, shader, bindings } = dispatch;
    const written = await run(dispatch, await pipelines.get(shader));
    const own = kernels.get(kernel) ?? { dispatches: 0, changed: 0, share: 0 };
    kernels.set(kernel, own);
    own.dispatches += 1;
    bindings.forEach(({ name, len, before, after }, at) => {
        if (after === null) return;
        const expected = floats(bytesAt(after, len));
        if (broken) expected[expected.length - 1] += 1;
        const { share, problem } = compare(written[at], expected, dispatch);
        if (problem) problems.push(`${kernel} (${place}): ${name}: ${problem}`);
        else own.share = Math.max(own.share, share);
        own.changed += compare(floats(bytesAt(before, len)), expected, dispatch).problem ? 1 : 0;
    });
}
// Whoever does nothing must not pass.
for (const [kernel, { changed }] of kernels) {
    if (changed === 0) problems.push(`${kernel}: no dispatch changes anything`);
}
await device.queue.onSubmittedWorkDone();

const most = 20;
problems.slice(0, most).forEach((problem) => console.log(`FAIL ${problem}`));
if (problems.length > most) console.log(`and ${problems.length - most} more`);
const worst = [...kernels].reduce((one, other) => (other[1].share > one[1].share ? other : one));
console.log(
    `dawn: ${plans.dispatches.length} dispatches of ${kernels.size} kernels in ${pipelines.size} variants on ` +
        `${adapter.info.description}: ${problems.length} problems; of what is allowed ${worst[0]} takes most, ` +
        `${(100 * worst[1].share).toFixed(0)} %`,
);
process.exit(problems.length === 0 ? 0 : 1);
