"""Columns of the OneRoster files that Cairn reads, 1.1 and 1.2 together; data only."""

from __future__ import annotations

_COMMON = ("sourcedId", "status", "dateLastModified")
_RACES = (
    "americanIndianOrAlaskaNative",
    "asian",
    "blackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander",
    "white",
)

# Columns the standard names; what else a file has is reported as unknown (extensions are allowed, and counted).
KNOWN: dict[str, tuple[str, ...]] = {
    "academicSessions": (*_COMMON, "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear"),
    "orgs": (*_COMMON, "name", "type", "identifier", "parentSourcedId"),
    "courses": (
        *_COMMON,
        *("schoolYearSourcedId", "schoolYearId", "title", "courseCode", "grade", "grades", "orgSourcedId"),
        *("subjects", "subjectCodes"),
    ),
    "classes": (
        *_COMMON,
        *("title", "grade", "grades", "courseSourcedId", "classCode", "classType", "location", "schoolSourcedId"),
        *("termSourcedId", "termSourcedIds", "subjects", "subjectCodes", "periods"),
    ),
    "users": (
        *_COMMON,
        *("enabledUser", "orgSourcedIds", "role", "username", "userId", "userIds", "givenName", "familyName"),
        *("middleName", "identifier", "email", "sms", "phone", "agents", "agentSourcedIds", "grade", "grades"),
        *("password", "userMasterIdentifier", "resourceSourcedIds", "preferredGivenName", "preferredMiddleName"),
        *("preferredFamilyName", "primaryOrgSourcedId", "pronouns"),
    ),
    "roles": (
        *_COMMON,
        *("userSourcedId", "roleType", "role", "beginDate", "endDate", "orgSourcedId", "userProfileSourcedId"),
    ),
    "enrollments": (
        *_COMMON,
        *("classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary", "beginDate", "endDate"),
    ),
    "demographics": (
        *_COMMON,
        *("userSourcedId", "birthDate", "birthdate", "sex", *_RACES, "demographicRaceTwoOrMoreRaces"),
        *("hispanicOrLatinoEthnicity", "countryOfBirthCode", "stateOfBirthAbbreviation", "cityOfBirth"),
        "publicSchoolResidenceStatus",
    ),
    "results": (
        *_COMMON,
        *("lineItemSourcedId", "studentSourcedId", "scoreStatus", "score", "scoreDate", "comment", "textScore"),
        *("classSourcedId", "inProgress", "incomplete", "late", "missing", "scoreScaleSourcedId"),
    ),
    "resultLearningObjectiveIds": (
        *_COMMON,
        *("resultSourcedId", "source", "learningObjectiveId", "score", "textScore"),
    ),
    "lineItems": (
        *_COMMON,
        *("title", "description", "assignDate", "dueDate", "classSourcedId", "categorySourcedId"),
        *("gradingPeriodSourcedId", "academicSessionSourcedId", "resultValueMin", "resultValueMax"),
        *("schoolSourcedId", "scoreScaleSourcedId"),
    ),
    "lineItemLearningObjectiveIds": (*_COMMON, "lineItemSourcedId", "source", "learningObjectiveId"),
    "categories": (*_COMMON, "title", "weight"),
    "userProfiles": (
        *_COMMON,
        *("userSourcedId", "profileType", "vendorId", "applicationId", "description", "credentialType", "username"),
        "password",
    ),
    "scoreScales": (
        *_COMMON,
        *("title", "type", "orgSourcedId", "courseSourcedId", "classSourcedId", "scoreScaleValue"),
    ),
    "lineItemScoreScales": (*_COMMON, "lineItemSourcedId", "scoreScaleSourcedId"),
    "resultScoreScales": (*_COMMON, "resultSourcedId", "scoreScaleSourcedId"),
    "resources": (
        *_COMMON,
        *("vendorResourceId", "title", "roles", "importance", "vendorId", "applicationId"),
    ),
    "classResources": (*_COMMON, "title", "classSourcedId", "resourceSourcedId"),
    "courseResources": (*_COMMON, "title", "courseSourcedId", "resourceSourcedId"),
    "userResources": (*_COMMON, "userSourcedId", "orgSourcedId", "classSourcedId", "resourceSourcedId"),
}

# Columns without which a file cannot be taken.
REQUIRED: dict[str, tuple[str, ...]] = {
    "academicSessions": ("sourcedId", "title", "type", "startDate", "endDate"),
    "orgs": ("sourcedId", "name", "type"),
    "courses": ("sourcedId", "title"),
    "classes": ("sourcedId", "title", "schoolSourcedId"),
    "users": ("sourcedId", "username", "givenName", "familyName"),
    "roles": ("userSourcedId", "role", "orgSourcedId"),
    "enrollments": ("sourcedId", "classSourcedId", "userSourcedId", "role"),
    "demographics": (),
    "userProfiles": ("userSourcedId",),
    "results": ("sourcedId", "lineItemSourcedId", "studentSourcedId"),
    "resultLearningObjectiveIds": ("sourcedId", "resultSourcedId", "source", "learningObjectiveId"),
}

# Flag column of demographics.csv -> reporting category; who reports several is two_or_more_races, and whoever is
# Hispanic or Latino is reported as that, whatever the race (US Department of Education, seven categories).
RACES = dict(
    zip(
        _RACES,
        (
            "american_indian_or_alaska_native",
            "asian",
            "black_or_african_american",
            "native_hawaiian_or_other_pacific_islander",
            "white",
        ),
        strict=True,
    )
)
