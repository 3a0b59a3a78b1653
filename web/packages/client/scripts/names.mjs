// Names of groups and methods: the group is the tag, and the method is the operationId without the noun of its tag.

/** The group of an operation: its tag in lowerCamelCase. */
export const groupOf = ({ tags: [tag] }) => tag.toLowerCase().replace(/ (\w)/g, (_, letter) => letter.toUpperCase());

/** The nouns that the name of a group already says: `Posts` for `posts`, and so `Post`. */
function nounsOf(group) {
  const last = group.replace(/^.*(?=[A-Z])/, "");
  const noun = last[0].toUpperCase() + last.slice(1);
  const singular = noun.replace(/s$/, "");
  return { singular, plural: `${singular}s` };
}

/** The method of an operation: `createPost` is `posts.create`, `getPosts` is `posts.getMany`. */
export function methodOf(operation) {
  const { operationId } = operation;
  const group = groupOf(operation);
  const { singular, plural } = nounsOf(group);
  const [verb, ...words] = operationId.split(/(?=[A-Z])/);
  if (verb === "get" && words.join("") === plural && plural !== group) {
    const isList =
      operation.path.split("/").at(-1) === group && operation.parameters?.some(({ name }) => name === "ids");
    if (isList) return "getMany";
  }
  const rest = words.filter((word) => word !== singular && word !== plural).join("");
  // A timeline is only ever read: `timelines.home`.
  if (group === "timelines" && verb === "get") return rest.toLowerCase();
  return verb + rest;
}

/** The methods of all operations by operationId. Two operations of a group never share a name. */
export function methodNames(operations) {
  const taken = new Map();
  return new Map(
    operations.map((operation) => {
      const { operationId } = operation;
      const method = methodOf(operation);
      const name = `${groupOf(operation)}.${method}`;
      if (taken.has(name)) {
        throw new Error(`${operationId} and ${taken.get(name)} would both be ${name}: name one of them in names.mjs`);
      }
      taken.set(name, operationId);
      return [operationId, method];
    }),
  );
}
