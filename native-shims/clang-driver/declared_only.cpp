//===- declared_only.cpp - What is declared and not defined again ---------===//

#include "declared_only.h"
#include "clang/AST/ASTContext.h"
#include "clang/AST/Attr.h"
#include "clang/AST/Decl.h"
#include "clang/AST/DeclCXX.h"
#include "clang/AST/DeclGroup.h"
#include "clang/Basic/SourceManager.h"
#include "clang/Frontend/MultiplexConsumer.h"
#include "clang/Sema/Sema.h"
#include <vector>

using namespace clang;

namespace fromsource {

namespace {
class DeclaredOnly : public MultiplexConsumer {
public:
  DeclaredOnly(std::vector<std::unique_ptr<ASTConsumer>> Rest,
               const SourceManager &Sources, size_t Offset)
      : MultiplexConsumer(std::move(Rest)), Sources(Sources), Offset(Offset) {}

  void InitializeSema(Sema &S) override {
    Parser = &S;
    MultiplexConsumer::InitializeSema(S);
  }

  void ForgetSema() override {
    Parser = nullptr;
    MultiplexConsumer::ForgetSema();
  }

  bool HandleTopLevelDecl(DeclGroupRef Group) override {
    if (Parser && !Group.isNull() && !isBefore(*Group.begin()))
      disownTentative();
    bool GoesOn = true;
    for (Decl *D : Group)
      eachKept(D, [&](Decl *Kept) {
        GoesOn &= MultiplexConsumer::HandleTopLevelDecl(DeclGroupRef(Kept));
      });
    return GoesOn;
  }

  /// Of a kept prefix.
  void HandleInterestingDecl(DeclGroupRef Group) override {
    for (Decl *D : Group)
      eachKept(D, [&](Decl *Kept) {
        MultiplexConsumer::HandleInterestingDecl(DeclGroupRef(Kept));
      });
  }

  void CompleteTentativeDefinition(VarDecl *D) override {
    for (VarDecl *Each : D->redecls())
      if (Each->isThisDeclarationADefinition() && isBefore(Each) &&
          !keeps(Each))
        return;
    MultiplexConsumer::CompleteTentativeDefinition(D);
  }

  void HandleCXXStaticMemberVarInstantiation(VarDecl *D) override {
    if (!isBefore(D) || keeps(D))
      MultiplexConsumer::HandleCXXStaticMemberVarInstantiation(D);
  }

private:
  bool isBefore(const Decl *D) const {
    SourceLocation At = D->getLocation();
    if (D->isFromASTFile() || At.isInvalid())
      return true;
    FileIDAndOffset Place = Sources.getDecomposedExpansionLoc(At);
    while (Place.first != Sources.getMainFileID()) {
      At = Sources.getIncludeLoc(Place.first);
      // The compiler's own definitions are included nowhere.
      if (At.isInvalid())
        return true;
      Place = Sources.getDecomposedExpansionLoc(At);
    }
    return Place.second < Offset;
  }

  template <typename Take> void eachKept(Decl *D, const Take &TakeOne) {
    if (!isBefore(D))
      return TakeOne(D);
    if (isa<NamespaceDecl, LinkageSpecDecl, ExportDecl>(D)) {
      for (Decl *Inner : cast<DeclContext>(D)->decls())
        eachKept(Inner, TakeOne);
      return;
    }
    if (isa<FileScopeAsmDecl>(D))
      return;
    auto *Function = dyn_cast<FunctionDecl>(D);
    auto *Variable = dyn_cast<VarDecl>(D);
    if ((!Function || keeps(Function)) && (!Variable || keeps(Variable)))
      TakeOne(D);
  }

  static bool isStrong(GVALinkage Linkage) {
    return Linkage == GVA_StrongExternal || Linkage == GVA_StrongODR;
  }

  bool keeps(FunctionDecl *D) {
    if (D->isTemplated())
      return true;
    GVALinkage Linkage = D->getASTContext().GetGVALinkageForFunction(D);
    if (Linkage != GVA_Internal)
      return !isStrong(Linkage);
    // What is there for its own sake would be there twice.
    bool IsRoot = D->hasAttr<UsedAttr>() || D->hasAttr<RetainAttr>() ||
                  D->hasAttr<ConstructorAttr>() || D->hasAttr<DestructorAttr>();
    if (!IsRoot && !keepsState(D))
      return true;
    disown(D);
    return false;
  }

  bool keeps(VarDecl *D) {
    if (D->isTemplated() || !D->isFileVarDecl())
      return true;
    ASTContext &Context = D->getASTContext();
    GVALinkage Linkage = Context.GetGVALinkageForVariable(D);
    if (Linkage != GVA_Internal)
      return !isStrong(Linkage);
    if (isConstant(D, Context))
      return true;
    disown(D);
    return false;
  }

  static bool isConstant(const VarDecl *D, const ASTContext &Context) {
    bool IsInitialised = !Context.getLangOpts().CPlusPlus || !D->hasInit() ||
                         D->hasConstantInitialization();
    return IsInitialised && !D->getTLSKind() &&
           D->getType().isConstantStorage(Context, /*ExcludeCtor=*/false,
                                          /*ExcludeDtor=*/false);
  }

  /// Whether it has variables of its own that outlive a call.
  static bool keepsState(const FunctionDecl *D) {
    for (const Decl *Inner : D->decls()) {
      const auto *Variable = dyn_cast<VarDecl>(Inner);
      if (Variable && Variable->isStaticLocal() &&
          !isConstant(Variable, D->getASTContext()))
        return true;
    }
    return false;
  }

  template <typename Declaration> static void disown(Declaration *D) {
    std::string Label = "fromsource.static:" + D->getNameAsString();
    for (auto *Each : D->redecls())
      if (!Each->template hasAttr<AsmLabelAttr>())
        Each->addAttr(AsmLabelAttr::CreateImplicit(D->getASTContext(), Label));
  }

  /// Of a kept prefix nobody is handed what C may yet define, as `static int
  /// n;`.
  void disownTentative() {
    auto &Tentative = Parser->TentativeDefinitions;
    for (auto I = Tentative.begin(Parser->getExternalSource()),
              End = Tentative.end();
         I != End; ++I)
      if (*I && isBefore(*I))
        keeps(*I);
    Parser = nullptr;
  }

  const SourceManager &Sources;
  const size_t Offset;
  /// Until the first declaration behind the offset.
  Sema *Parser = nullptr;
};
} // namespace

std::unique_ptr<ASTConsumer> declareOnly(std::unique_ptr<ASTConsumer> Rest,
                                         const SourceManager &Sources,
                                         size_t Offset) {
  std::vector<std::unique_ptr<ASTConsumer>> All;
  All.push_back(std::move(Rest));
  return std::make_unique<DeclaredOnly>(std::move(All), Sources, Offset);
}

} // namespace fromsource
