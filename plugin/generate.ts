// Writes plugin/schema.json from the components' types and docstrings. Run it after a change of them:
// node --import tsx plugin/generate.ts
import * as fs from "node:fs";
import * as path from "node:path";
import * as ts from "typescript";
import { description, version } from "../package.json";
import { root } from "../lib/paths";
import { schemaFile } from "./host";

interface Property {
  description?: string;
  type?: string;
  $ref?: string;
  items?: Property;
  additionalProperties?: Property;
  /** The value must be known before the update. */
  plain?: true;
}

interface ObjectType {
  type: "object";
  description?: string;
  properties: Record<string, Property>;
  required: string[];
}

const entry = path.join(root, "components/package.ts");

/**
 * The package's schema: https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/
 *
 * A component's inputs are the fields of its arguments, and its outputs are its own public fields. `@internal` leaves a
 * field out: only TypeScript programs have it.
 */
export function schemaText(): string {
  const { config } = ts.readConfigFile(path.join(root, "tsconfig.json"), (file) => ts.sys.readFile(file)) as { config: { compilerOptions: object } }; // prettier-ignore
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const program = ts.createProgram([entry], options);
  const languages = ["nodejs", "python", "go", "csharp", "java"];
  const schema = {
    name: "mesh",
    version,
    description,
    ...new Reader(program).read(),
    language: Object.fromEntries(languages.map((language) => [language, { respectSchemaVersion: true }])),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

class Reader {
  private readonly checker: ts.TypeChecker;
  private readonly types: Record<string, ObjectType> = {};

  constructor(private readonly program: ts.Program) {
    this.checker = program.getTypeChecker();
  }

  read() {
    const file = this.program.getSourceFile(entry);
    const exported = file && this.checker.getSymbolAtLocation(file);
    const all = exported ? this.checker.getExportsOfModule(exported).map((symbol) => this.original(symbol)) : [];
    const resources = all.flatMap((symbol) => {
      const [declaration] = symbol.declarations ?? [];
      return declaration && ts.isClassDeclaration(declaration) ? [[token(symbol.name), this.component(symbol, declaration)]] : []; // prettier-ignore
    });
    return { resources: Object.fromEntries(resources) as Record<string, object>, types: this.types };
  }

  private component(symbol: ts.Symbol, declaration: ts.ClassDeclaration) {
    const parameters = declaration.members.find(ts.isConstructorDeclaration)?.parameters ?? [];
    const args = parameters.find(({ name }) => name.getText() === "args");
    if (!args) throw new Error(`${symbol.name} has no parameter args`);
    const inputs = this.object(this.checker.getPropertiesOfType(this.checker.getTypeAtLocation(args)), true);
    const own = declaration.members.filter(ts.isPropertyDeclaration).filter(isPublic);
    const outputs = this.object(
      own.map((member) => this.symbolAt(member.name)),
      false,
    );
    return {
      isComponent: true,
      description: this.description(symbol),
      inputProperties: inputs.properties,
      requiredInputs: inputs.required,
      ...outputs,
    };
  }

  private object(fields: readonly ts.Symbol[], plain: boolean): Omit<ObjectType, "description"> {
    const open = fields.flatMap((symbol) => {
      const declaration = symbol.valueDeclaration as ts.PropertySignature | ts.PropertyDeclaration;
      return isInternal(declaration) || !declaration.type ? [] : [{ symbol, node: declaration.type }];
    });
    const properties = open.map(({ symbol, node }) => {
      const text = this.description(symbol);
      return [symbol.name, { ...(text && { description: text }), ...this.property(node, plain) }] as const;
    });
    const required = open.map(({ symbol }) => symbol).filter(({ flags }) => !(flags & ts.SymbolFlags.Optional));
    return { type: "object", properties: Object.fromEntries(properties), required: required.map(({ name }) => name) };
  }

  private property(node: ts.TypeNode, plain: boolean): Property {
    const mark = plain ? { plain: true as const } : {};
    if (ts.isArrayTypeNode(node)) return { type: "array", items: this.property(node.elementType, plain), ...mark };
    // A choice of texts.
    if (ts.isUnionTypeNode(node)) return { type: "string", ...mark };
    if (node.kind === ts.SyntaxKind.UnknownKeyword) return { $ref: "pulumi.json#/Any" };
    // Every number of this package is whole.
    if (node.kind === ts.SyntaxKind.NumberKeyword) return { type: "integer", ...mark };
    if (!ts.isTypeReferenceNode(node)) return { type: node.getText(), ...mark };

    const [first, second] = node.typeArguments ?? [];
    const name = node.typeName.getText();
    if (first && /^pulumi\.(Input|Output)$/.test(name)) return this.property(first, false);
    if (first && name === "Partial") return this.property(first, plain);
    if (second) return { type: "object", additionalProperties: this.property(second, plain), ...mark };
    const symbol = this.original(this.symbolAt(node.typeName));
    if (symbol.name === "Manifest") return { $ref: "pulumi.json#/Any" };
    return { $ref: `#/types/${this.named(symbol, plain)}`, ...mark };
  }

  /** Registers an interface as a type of the schema. */
  private named(symbol: ts.Symbol, plain: boolean): string {
    const name = token(symbol.name.replace(/Args$/, ""));
    const text = this.description(symbol);
    const fields = this.checker.getPropertiesOfType(this.checker.getDeclaredTypeOfSymbol(symbol));
    this.types[name] ??= { ...(text && { description: text }), ...this.object(fields, plain) };
    return name;
  }

  private symbolAt(node: ts.Node): ts.Symbol {
    const symbol = this.checker.getSymbolAtLocation(node);
    if (!symbol) throw new Error(`${node.getText()} has no symbol`);
    return symbol;
  }

  private original(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  private description(symbol: ts.Symbol): string {
    return ts.displayPartsToString(symbol.getDocumentationComment(this.checker)).replaceAll("\n", " ");
  }
}

const token = (name: string) => `mesh:index:${name}`;
const isInternal = (node: ts.Node) => ts.getJSDocTags(node).some(({ tagName }) => tagName.text === "internal");
const isPublic = (node: ts.PropertyDeclaration) =>
  !isInternal(node) && !(ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private);

if (require.main === module) fs.writeFileSync(schemaFile, schemaText());
