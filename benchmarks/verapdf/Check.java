import java.io.FileInputStream;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.flavours.PDFAFlavour;

/** Says of each file whether it is PDF/UA-1, with every rule that it breaks; exits 1 where one is not. */
public class Check {
    public static void main(String[] files) throws Exception {
        VeraGreenfieldFoundryProvider.initialise();
        boolean isClean = true;
        for (String file : files) {
            try (var parser = Foundries.defaultInstance().createParser(new FileInputStream(file), PDFAFlavour.PDFUA_1)) {
                var found = Foundries.defaultInstance().createValidator(PDFAFlavour.PDFUA_1, false).validate(parser);
                System.out.println(file + ": " + (found.isCompliant() ? "PDF/UA-1" : "not PDF/UA-1") + ", "
                    + found.getTotalAssertions() + " checks");
                found.getTestAssertions().forEach(one -> System.out.println("  " + one.getRuleId() + " " + one.getMessage()));
                isClean &= found.isCompliant();
            }
        }
        System.exit(isClean ? 0 : 1);
    }
}
