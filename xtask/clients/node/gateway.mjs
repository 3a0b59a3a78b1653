// Checks the AsyncAPI document: node gateway.mjs DOCUMENT OUTPUT.ts
// The parser finds no error, every message has an example, and Modelina names every type.
import { readFile, writeFile } from 'node:fs/promises';
import { TypeScriptGenerator } from '@asyncapi/modelina';
import { Parser } from '@asyncapi/parser';

const [source, output] = process.argv.slice(2);
const text = await readFile(source, 'utf8');
const { document, diagnostics } = await new Parser().parse(text);
const ERROR = 0;
for (const { code, message, path } of diagnostics.filter(({ severity }) => severity === ERROR)) {
  throw new Error(`${path.join('.')}: ${message} (${code})`);
}

const messages = document.allMessages().all();
const without = messages.filter((message) => message.examples().isEmpty()).map((message) => message.id());
if (without.length > 0) throw new Error(`messages without an example: ${without.join(', ')}`);
if (document.securitySchemes().isEmpty()) throw new Error('the document has no security scheme');

const generator = new TypeScriptGenerator({ modelType: 'interface', moduleSystem: 'ESM' });
const models = await generator.generate(JSON.parse(text));
const anonymous = models.map((model) => model.modelName).filter((name) => /anonymous/i.test(name));
if (anonymous.length > 0) throw new Error(`types without a name: ${anonymous.join(', ')}`);
const declared = new Set(models.map((model) => model.modelName));
if (declared.size !== models.length) throw new Error('several types have the same name');
const missing = messages.filter((message) => !declared.has(message.payload().title())).map((message) => message.id());
if (missing.length > 0) throw new Error(`messages without a type: ${missing.join(', ')}`);
await writeFile(output, models.map((model) => `export ${model.result}\n`).join('\n'));
console.log(`${messages.length} messages, ${models.length} types`);
