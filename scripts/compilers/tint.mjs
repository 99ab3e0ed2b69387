// Compiles WGSL by Chrome's Tint, whose rules of uniformity are the browser's, without a driver:
//   node tint.mjs MODULE FOLDER     MODULE is the package `webgpu`, whose FOLDER of shaders ends in .wgsl
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [module, folder] = process.argv.slice(2);
const { create, globals } = await import(pathToFileURL(join(module, 'index.js')));
Object.assign(globalThis, globals);

const gpu = create(['backend=null']);
const adapter = await gpu.requestAdapter();
if (!adapter) throw new Error('Dawn has no null device');
// WebGPU's default limits and no feature: what every browser has.
const device = await adapter.requestDevice();

const names = readdirSync(folder).filter((name) => name.endsWith('.wgsl')).sort();
let failures = 0;
for (const name of names) {
    const code = readFileSync(join(folder, name), 'utf8');
    device.pushErrorScope('validation');
    const shader = device.createShaderModule({ code });
    let problem = null;
    try {
        await device.createComputePipelineAsync({ layout: 'auto', compute: { module: shader, entryPoint: 'main' } });
    } catch (error) {
        problem = error.message;
    }
    const error = await device.popErrorScope();
    problem = error?.message ?? problem;
    if (problem) {
        failures += 1;
        console.log(`FAIL ${name}\n${problem}`);
    }
}
console.log(`${names.length} shaders, ${failures} failures`);
process.exit(names.length > 0 && failures === 0 ? 0 : 1);
