import tseslint from "typescript-eslint";

const noTauri = {
  group: ["@tauri-apps/*"],
  message: "Only src/ipc/tauri.ts knows Tauri: the panel must live without it.",
};

export default tseslint.config(
  { ignores: ["dist/**", "dist-preview/**", "test-results/**", "src/ipc/generated.ts"] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "no-restricted-imports": ["error", { patterns: [noTauri] }],
      "no-restricted-syntax": [
        "error",
        { selector: "JSXAttribute[name.name='innerHTML']", message: "Text from the network is text." },
        { selector: "MemberExpression[property.name='innerHTML']", message: "Text from the network is text." },
        { selector: "JSXAttribute[name.name='style'][value.type='Literal']", message: "style-src 'self' forbids style attributes." },
      ],
      "no-console": "error",
      eqeqeq: "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/consistent-type-definitions": "off",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  {
    files: ["src/panel/**"],
    ignores: ["**/*.test.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            noTauri,
            {
              group: ["**/desktop/**", "**/sdk/**", "**/ipc/tauri*", "**/ipc/fake*", "**/ipc/socket*"],
              message: "The panel knows ipc/generated, ipc/client and i18n only.",
            },
          ],
        },
      ],
    },
  },
  { files: ["src/ipc/tauri.ts"], rules: { "no-restricted-imports": "off" } },
  { files: ["**/*.js", "**/*.mjs"], ...tseslint.configs.disableTypeChecked },
);
