// Fails if the languages do not have the same texts with the same variables.

import { readdirSync, readFileSync } from "node:fs";

const folder = new URL("../src/i18n/", import.meta.url);
const languages = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
const problems = [];

/** The texts of an area by key, the forms of the plural as one: the variables of each. */
function read(language, file) {
  const texts = JSON.parse(readFileSync(new URL(`${language}/${file}`, folder), "utf8"));
  const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
  const found = new Map();
  for (const [key, text] of Object.entries(texts)) {
    const stem = key.replace(/_(zero|one|two|few|many|other)$/, "");
    const variables = [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).filter((name) => name !== "count");
    if (stem !== key && !forms.includes(key.slice(stem.length + 1)))
      problems.push(`${language}/${file}: ${key} is no form of its plural`);
    if (stem !== key)
      for (const form of forms)
        if (!(`${stem}_${form}` in texts)) problems.push(`${language}/${file}: ${stem}_${form} is missing`);
    if (!text.trim()) problems.push(`${language}/${file}: ${key} is empty`);
    found.set(stem, [...new Set([...(found.get(stem) ?? []), ...variables])].sort());
  }
  return found;
}

const areas = new Set(languages.flatMap(({ name }) => readdirSync(new URL(`${name}/`, folder))));
for (const area of areas) {
  const [first, ...others] = languages.map(({ name }) => ({ name, texts: read(name, area) }));
  for (const other of others) {
    for (const key of new Set([...first.texts.keys(), ...other.texts.keys()])) {
      const [one, two] = [first.texts.get(key), other.texts.get(key)];
      if (!one || !two) problems.push(`${area}: ${key} is missing in ${one ? other.name : first.name}`);
      else if (String(one) !== String(two))
        problems.push(`${area}: ${key} has other variables in ${other.name} than in ${first.name}`);
    }
  }
}

for (const problem of problems) console.error(problem);
if (problems.length) process.exit(1);
